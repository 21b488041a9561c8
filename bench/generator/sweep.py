"""The full sweep, `generate` and the carry: its time, what of the limits that is, and its memory."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from bench.generator.clock import Clock
from bench.generator.counts import Counted
from bench.generator.machine import Figures
from bench.generator.memory import MIB, beyond
from bench.generator.methods import Method
from bench.generator.training import begun
from bench.generator.work import Work, table_bytes
from metagen.multi import Gru
from metagen.plus import Plus, RowWindow
from metagen.plus import carry as carry_rows
from metagen.sweep import carry as carry_coordinates
from metagen.window import GeneratorState, Window


def swept(method: Method, work: Work, clock: Clock, rates: Mapping[str, float]) -> Figures:
    """`generate` and the carry, once over all rows of all tables."""
    generator = method.generator(batch=1)  # of which neither depends
    state, window = begun(generator, work), work.models
    theta, d, k = window[-1].theta, generator.settings.hidden_size, generator.k
    width = theta.tables["user"].shape[1]
    (_, generated), star_beyond = beyond(
        lambda: clock.of(lambda: generator.generate(window, state)),
        lambda of: _bytes(of[0].tables),
        clock.device,
    )
    (_, carried), carry_beyond = beyond(
        lambda: clock.of(lambda: _carry(generator, work, state)),
        lambda of: _bytes(of[0]),
        clock.device,
    )
    rows = sum(len(one) for one in theta.tables.values())
    figures: Figures = {
        "method": method.name,
        "rows": work.rows,
        "tables_mib": table_bytes(window) / MIB,
        "hidden_mib": _bytes(state.hidden) / MIB,
        "generate_beyond_mib": star_beyond,
        "carry_beyond_mib": carry_beyond,
    }
    for name, spent, moved, cells in (
        ("generate", generated, method.generates(width, d, k), k),
        ("carry", carried, method.carries(width, d), 1),
    ):
        rate = moved.both * rows / spent.seconds
        sigmoids = method.activations(Counted.of_rows(rows * cells), theta, d)
        figures |= {
            f"{name}_seconds": spent.seconds,
            f"{name}_bytes_per_second": rate,
            f"{name}_share_of_copy": rate / rates["copied_bytes_per_second"],
            f"{name}_share_of_sigmoid": sigmoids / rates["sigmoids_per_second"] / spent.seconds,
        }
    return figures


def _carry(generator: Gru | Plus, work: Work, state: GeneratorState) -> dict[str, torch.Tensor]:
    if isinstance(generator, Plus):
        return carry_rows(RowWindow(work.models), state.omega, state.hidden)
    window = Window.of([model.theta for model in work.models])
    return carry_coordinates(window, state.omega, state.hidden)


def _bytes(tensors: Mapping[str, torch.Tensor]) -> int:
    return sum(one.nbytes for one in tensors.values())
