"""A generator's state, and the model it made, as Arrow parts and back; no pickle."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from metagen.window import GeneratorState
from stream.errors import MissingArtefact
from trainer.catalogue import Catalogue
from trainer.columns import (
    constant,
    read_moments,
    read_tensors,
    read_vectors,
    table_of,
    tensors_table,
    vectors,
)
from trainer.model import Theta
from trainer.snapshot import model_parts

#: The part that holds ω_t with its moments, and what begins the name of a hidden state's part.
GENERATOR, HIDDEN = "generator", "hidden/"


def star_parts(star: Theta, state: GeneratorState, catalogue: Catalogue) -> dict[str, pa.Table]:
    """Everything an announcement of kind star names: Θ*_t, ω_t with moments, h_{t-k}."""
    return model_parts(star, catalogue) | state_parts(state)


def state_parts(state: GeneratorState) -> dict[str, pa.Table]:
    """`generator`: name, shape, value, m, v, step, trained; `hidden/<table>`: vector [e·d] per row."""
    hidden = {f"{HIDDEN}{name}": table_of({"vector": vectors(one)}) for name, one in state.hidden.items()}
    return {GENERATOR: tensors_table(state.omega, state.moments, trained=state.trained)} | hidden


def read_state(parts: Mapping[str, pa.Table], d: int) -> GeneratorState:
    """The state of these parts, on the CPU; d is the cells' hidden size.

    Raises: MissingArtefact: the generator's part is not among them.
    """
    if GENERATOR not in parts:
        raise MissingArtefact(f"a generator's part is missing; there are {', '.join(parts)}")
    part = parts[GENERATOR]
    hidden = {
        name.removeprefix(HIDDEN): read_vectors(table, "vector", d)
        for name, table in parts.items()
        if name.startswith(HIDDEN)
    }
    return GeneratorState(read_tensors(part), read_moments(part), hidden, constant(part, "trained"))
