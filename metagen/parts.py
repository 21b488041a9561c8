"""A generator's state, and the model it made, as Arrow parts and back; no pickle."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from metagen.window import GeneratorState
from stream.errors import ConfigurationError, MissingArtefact
from trainer.activity import Activity
from trainer.adam import zero_moments
from trainer.catalogue import Catalogue
from trainer.columns import constant, read_moments, read_tensors, read_vectors, tensors_table, vectors
from trainer.model import Theta
from trainer.parts import column, table_of
from trainer.snapshot import model_parts

#: The part that holds ω_t with its moments, and what begins the name of a hidden state's part.
GENERATOR, HIDDEN = "generator", "hidden/"


def star_parts(
    star: Theta,
    state: GeneratorState,
    catalogue: Catalogue,
    activity: Mapping[str, Activity] | None = None,
) -> dict[str, pa.Table]:
    """Everything an announcement of kind star names: Θ*_t, ω_t with moments, h_{t-k}.

    activity: of period t, where the model reads it.
    """
    return model_parts(star, catalogue, activity) | state_parts(state)


def state_parts(state: GeneratorState) -> dict[str, pa.Table]:
    """`generator`: name, shape, value, m, v, step, trained; `hidden/<table>`: vector [e·d] per row.

    A generator that trains nothing has one row with `trained` alone.
    """
    hidden = {f"{HIDDEN}{name}": table_of({"vector": vectors(one)}) for name, one in state.hidden.items()}
    if not state.omega:  # no tensor's row to repeat the count in
        return {GENERATOR: table_of({"trained": pa.array([state.trained], pa.int64())})} | hidden
    return {GENERATOR: tensors_table(state.omega, state.moments, trained=state.trained)} | hidden


def read_state(parts: Mapping[str, pa.Table], d: int) -> GeneratorState:
    """The state of these parts, on the CPU; d is the cells' hidden size.

    Raises: MissingArtefact: the generator's part is not among them; ConfigurationError: its hidden states
    are of another size.
    """
    if GENERATOR not in parts:
        raise MissingArtefact(f"a generator's part is missing; there are {', '.join(parts)}")
    part = parts[GENERATOR]
    tables = {name.removeprefix(HIDDEN): one for name, one in parts.items() if name.startswith(HIDDEN)}
    for name, table in tables.items():
        if (width := column(table, "vector").type.list_size) % d:
            raise ConfigurationError(
                f"metagen.d is {d}, but the stored hidden states of {name} are {width} wide: "
                "keep metagen.generator and metagen.d as they were"
            )
    hidden = {name: read_vectors(table, "vector", d) for name, table in tables.items()}
    trained = constant(part, "trained")
    if part.column_names == ["trained"]:
        return GeneratorState({}, zero_moments({}), hidden, trained)
    return GeneratorState(read_tensors(part), read_moments(part), hidden, trained)
