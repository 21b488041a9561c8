"""A period's training: its time, what of the limits that is, and a dense step beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.generator.clock import Clock, Spent, middle
from bench.generator.counts import Counted, count
from bench.generator.dense import FORMS, dense_steps
from bench.generator.limits import Limits
from bench.generator.machine import Figures
from bench.generator.methods import Method
from bench.generator.roundtrips import watched
from bench.generator.work import Work, filled
from metagen.joint import joint_batches
from metagen.multi import Gru
from metagen.plus import Plus
from metagen.touched import Touched
from metagen.window import GeneratorState

#: Rows up to which the dense computation is made at all, and its steps that are timed.
DENSE_ROWS, DENSE_STEPS = 100_000, 3


@dataclass(frozen=True, eq=False)
class Given:
    """What a generator trains on, and from where."""

    generator: Gru | Plus
    work: Work
    state: GeneratorState


def trained(
    method: Method,
    works: Sequence[Work],
    states: Sequence[GeneratorState],
    batch: int,
    repeats: int,
    clock: Clock,
) -> list[Figures]:
    """A period's training for each size, and a dense step where the tables are not too large."""
    generator = method.generator(batch)
    given = [Given(generator, work, state) for work, state in zip(works, states, strict=True)]
    parts = training_parts(method, given, repeats, clock)
    return [_figures(method, one, spent, clock) for one, spent in zip(given, parts, strict=True)]


def begun(generator: Gru | Plus, work: Work) -> GeneratorState:
    """A state as if the generator had trained for long."""
    state = generator.initial(work.models[-1].theta)
    filled(state.hidden)
    return state


def training_parts(
    method: Method, given: Sequence[Given], repeats: int, clock: Clock
) -> list[dict[str, Spent]]:
    """Of a period of each: the batches alone; all but the carry, which is the sweep's; the carry. Medians.

    They take turns, so that a machine that is slower for a while is so for all of them.
    """
    rounds = [[_once(method, one, clock) for one in given] for _ in range(repeats + 1)]
    names = ("batches", "training", "carry")
    return [  # of the first, which compiles and pays for memory's first use, nothing is told
        {name: middle([parts[name] for parts in of_one]) for name in names}
        for of_one in zip(*rounds[1:], strict=True)
    ]


def _once(method: Method, given: Given, clock: Clock) -> dict[str, Spent]:
    work, state = given.work, given.state
    with clock.within(method.module, ("train", "carry")) as spent:
        _, whole = clock.of(lambda: given.generator.train(work.models, work.data, work.catalogue, state))
    return {"batches": spent["train"], "training": whole - spent["carry"], "carry": spent["carry"]}


def shares(one: Mapping[str, Any], limits: Limits) -> Figures:
    """What of the time that the batches took the least time at each limit is."""
    seconds = one["step_ms"] * one["steps"] / 1000
    return {
        "share_of_matmul": one["multiply_adds"] / limits.multiply_adds / seconds,
        "share_of_own_shapes": one["multiply_adds"] / one["own_shapes_per_second"] / seconds,
        "share_of_sigmoid": one["sigmoids"] / limits.sigmoids / seconds,
    }


def _figures(method: Method, given: Given, spent: Mapping[str, Spent], clock: Clock) -> Figures:
    generator, work, theta = given.generator, given.work, given.work.models[-1].theta
    d, whole, batches = generator.settings.hidden_size, spent["training"], spent["batches"]
    done = counted(generator, work)
    typical = round(done.rows / (done.steps * done.models * len(theta.tables)))
    own = method.own_rate(clock, theta.tables["user"].shape[1], d, typical)
    figures: Figures = {
        "method": method.name,
        "rows": work.rows,
        "batch": generator.batch,
        "steps": done.steps,
        "rows_per_step": typical,  # of a table, on average over the window's models
        "seconds": whole.seconds,
        "elapsed": whole.elapsed,
        "step_ms": batches.seconds / done.steps * 1000,
        "finding_rows_seconds": (whole - batches).seconds,
        "carry_seconds": spent["carry"].seconds,
        "multiply_adds": method.multiply_adds(done, theta, d),
        "sigmoids": method.activations(done, theta, d),
        "own_shapes_per_second": own,
    }
    if clock.device.type == "cuda":
        figures["host_waits"] = _host_waits(method, given)
    if work.rows <= DENSE_ROWS:
        figures["dense_steps_timed"] = DENSE_STEPS
        for form in FORMS:
            step = middle(dense_steps(generator, work, given.state, form, DENSE_STEPS, clock)).seconds
            figures[f"dense_{form}_step_ms"] = step * 1000
            figures[f"dense_{form}_ratio"] = step / (whole.seconds / done.steps)
    return figures


def counted(generator: Gru | Plus, work: Work) -> Counted:
    """What the batches of a period have."""
    touched = Touched.of(work.data, work.catalogue)
    joints = joint_batches(touched, generator.batch, generator.seed, 0)
    return count(joints, len(work.data))


def _host_waits(method: Method, given: Given) -> dict[str, int]:
    """Where the host waited for CUDA while the batches were trained, and how often."""
    work = given.work
    with watched(method.module, "train") as found:
        given.generator.train(work.models, work.data, work.catalogue, given.state)
    return dict(Counter(found))
