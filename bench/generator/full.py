"""The whole sequence of models against a window of k."""

from __future__ import annotations

from dataclasses import replace

import torch

from bench.generator.clock import Clock, middle
from bench.generator.dense import dense_steps
from bench.generator.machine import Figures, machine
from bench.generator.methods import MULTI, K
from bench.generator.training import DENSE_STEPS, Given, begun, counted, training_parts
from bench.generator.work import Shape, Work, make_work


def measure_full(
    models: int,
    rows: int,
    batch: int,
    repeats: int,
    device: torch.device,
    shape: Shape = Shape(),  # noqa: B008 frozen
) -> Figures:
    """Training of asmg-gru-full at so many models against GRUmulti with k = 3.

    And a dense step of each: through all rows at every model, as the paper's are. On touched rows alone the
    ratio is higher, for a row that only the newest slice reads must be gone through from the first model on.
    """
    clock = Clock(device)
    full = replace(MULTI, name="asmg-gru-full")
    work = make_work(rows, models, models, shape, active=False, device=device)
    last = Work(rows, work.models[-K:], work.data[-K:], work.catalogue)
    given = []
    for method, k, mine in ((MULTI, K, last), (full, models, work)):
        generator = method.generator(batch, k=k)
        given.append(Given(generator, mine, begun(generator, mine)))
    found: Figures = {"models": models, "k": K, "rows": rows, "batch": batch}
    parts = training_parts(MULTI, given, repeats, clock)
    for name, one, spent in zip(("multi", "full"), given, parts, strict=True):
        step = middle(dense_steps(one.generator, one.work, one.state, "own", DENSE_STEPS, clock))
        found |= {
            f"{name}_seconds": spent["training"].seconds,
            f"{name}_rows": counted(one.generator, one.work).rows,
            f"{name}_dense_step_ms": step.seconds * 1000,
        }
    found |= {
        "ratio": found["full_seconds"] / found["multi_seconds"],
        "rows_ratio": found["full_rows"] / found["multi_rows"],
        "dense_ratio": found["full_dense_step_ms"] / found["multi_dense_step_ms"],
    }
    return {"machine": machine(device), "full": found}
