"""The full sweep, `generate` and the carry: its time, what of the limits that is, and its memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from bench.generator.clock import Clock, Spent
from bench.generator.counts import Counted
from bench.generator.limits import Limits
from bench.generator.machine import Figures
from bench.generator.memory import MIB, beyond
from bench.generator.methods import Method
from bench.generator.work import Work, table_bytes
from metagen.multi import Gru
from metagen.plus import Plus, RowWindow
from metagen.plus import carry as carry_rows
from metagen.sweep import carry as carry_coordinates
from metagen.window import GeneratorState, Window


def swept(method: Method, work: Work, state: GeneratorState, clock: Clock) -> Figures:
    """`generate` and the carry over all rows: the memory of a first run, the time of a second."""
    generator = method.generator(batch=1)  # of which neither depends
    window = work.models
    theta, d, k = window[-1].theta, generator.settings.hidden_size, generator.k
    width = theta.tables["user"].shape[1]

    def generate() -> tuple[int, Spent]:
        star, spent = clock.of(lambda: generator.generate(window, state))
        return _bytes(star.tables), spent

    def carry() -> tuple[int, Spent]:
        hidden, spent = clock.of(lambda: _carry(generator, work, state))
        return _bytes(hidden), spent

    _, star_beyond = beyond(generate, lambda of: of[0], clock.device)
    _, carry_beyond = beyond(carry, lambda of: of[0], clock.device)
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
        ("generate", generate()[1], method.generates(width, d, k), k),
        ("carry", carry()[1], method.carries(width, d), 1),
    ):
        figures |= {
            f"{name}_seconds": spent.seconds,
            f"{name}_bytes": moved.both * rows,
            f"{name}_sigmoids": method.activations(Counted.of_rows(rows * cells), theta, d),
        }
    return figures


def shares(one: Mapping[str, Any], limits: Limits) -> Figures:
    """What of the time that either took the least time at each limit is."""
    return {
        f"{name}_share_of_{limit}": one[f"{name}_{what}"] / rate / one[f"{name}_seconds"]
        for name in ("generate", "carry")
        for limit, what, rate in (("copy", "bytes", limits.copied), ("sigmoid", "sigmoids", limits.sigmoids))
    }


def _carry(generator: Gru | Plus, work: Work, state: GeneratorState) -> dict[str, torch.Tensor]:
    if isinstance(generator, Plus):
        return carry_rows(RowWindow(work.models), state.omega, state.hidden)
    window = Window.of([model.theta for model in work.models])
    return carry_coordinates(window, state.omega, state.hidden)


def _bytes(tensors: Mapping[str, torch.Tensor]) -> int:
    return sum(one.nbytes for one in tensors.values())
