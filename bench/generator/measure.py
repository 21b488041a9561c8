"""Training, sweep and their limits on made-up work, all in one run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from bench.generator.clock import Clock
from bench.generator.limits import find_limits
from bench.generator.machine import Figures, machine
from bench.generator.methods import METHODS, K
from bench.generator.sweep import shares as sweep_shares
from bench.generator.sweep import swept
from bench.generator.training import begun, trained
from bench.generator.training import shares as training_shares
from bench.generator.work import Shape, make_work
from bench.machine import Tell

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
    limits = find_limits(clock)
    training, sweep = list[Figures](), list[Figures]()
    for method in METHODS:
        tell(f"{method.name}, making tables")
        models, active = K + method.before, method.before > 0
        works = [make_work(size, models, K, shape, active=active, device=device) for size in rows]
        states = [begun(method.generator(batch=1), work) for work in works]
        for batch in batches:
            tell(f"{method.name}, batch {batch}")
            training += trained(method, works, states, batch, repeats, clock)
        for work, state in zip(works, states, strict=True):
            tell(f"{method.name}, sweep of {work.rows:,} rows")
            sweep.append(swept(method, work, state, clock))
        works.clear()  # or those of two methods would be held at once
        states.clear()
        del work, state
    limits = limits.faster(find_limits(clock))
    return {
        "machine": where | {"load_after": os.getloadavg()[0]},
        "limits": {
            "multiply_adds_per_second": limits.multiply_adds,
            "sigmoids_per_second": limits.sigmoids,
            "copied_bytes_per_second": limits.copied,
        },
        "training": [one | training_shares(one, limits) for one in training],
        "independence": independence(training),
        "sweep": [one | sweep_shares(one, limits) for one in sweep],
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
