"""Training, sweep and their limits on made-up work, all in one run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from bench.generator.clock import Clock
from bench.generator.limits import all_limits
from bench.generator.machine import Figures, Tell, machine
from bench.generator.methods import METHODS, K
from bench.generator.sweep import swept
from bench.generator.training import trained
from bench.generator.work import Shape, make_work

#: From these rows on, training's time is to stay the same.
LEAST_ROWS = 100_000


def measure(
    rows: Sequence[int],
    batches: Sequence[int],
    repeats: int,
    device: torch.device,
    shape: Shape = Shape(),  # noqa: B008 frozen
    tell: Tell = lambda what: None,  # noqa: ARG005 named for those who pass their own
) -> Figures:
    """All figures for tables of these rows and batches of these sizes; medians of `repeats` trainings."""
    clock, where = Clock(device), machine(device)
    limits = all_limits(clock)
    training, sweep = [], []
    for method in METHODS:
        for size in rows:
            tell(f"{method.name}, {size:,} rows")
            work = make_work(size, K + method.before, K, shape, active=method.before > 0, device=device)
            training += [trained(method, work, batch, repeats, clock, limits) for batch in batches]
            sweep.append(swept(method, work, clock, limits))
            del work  # or two would be held at once
    return {
        "machine": where | {"load_after": os.getloadavg()[0]},
        "limits": limits,
        "training": training,
        "independence": independence(training),
        "sweep": sweep,
    }


def independence(training: Sequence[Mapping[str, Any]]) -> list[Figures]:
    """Seconds of training at the most rows over those at LEAST_ROWS, or the fewest there are from it on."""
    found = []
    for method, batch in dict.fromkeys((one["method"], one["batch"]) for one in training):
        mine = [one for one in training if (one["method"], one["batch"]) == (method, batch)]
        mine = [one for one in mine if one["rows"] >= LEAST_ROWS] or mine
        few, many = (pick(mine, key=lambda one: int(one["rows"])) for pick in (min, max))
        if few is not many:
            found.append(
                {
                    "method": method,
                    "batch": batch,
                    "from": few["rows"],
                    "to": many["rows"],
                    "ratio": many["seconds"] / few["seconds"],
                }
            )
    return found
