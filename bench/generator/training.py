"""A period's training: its time, what of the limits that is, and a dense step beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bench.generator.clock import Clock, Spent, middle
from bench.generator.counts import Counted, count
from bench.generator.dense import FORMS, dense_steps
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


def trained(
    method: Method, work: Work, batch: int, repeats: int, clock: Clock, rates: Mapping[str, float]
) -> Figures:
    """A period's training and its batches, and a dense step where the tables are not too large."""
    generator = method.generator(batch)
    state, theta, d = begun(generator, work), work.models[-1].theta, generator.settings.hidden_size
    spent = training_parts(method, generator, work, state, repeats, clock)
    whole, batches = spent["training"], spent["batches"]
    done = counted(generator, work)
    typical = round(done.rows / (done.steps * done.models * len(theta.tables)))
    own = method.own_rate(clock, theta.tables["user"].shape[1], d, typical)
    multiply_adds, sigmoids = method.multiply_adds(done, theta, d), method.activations(done, theta, d)
    figures: Figures = {
        "method": method.name,
        "rows": work.rows,
        "batch": batch,
        "steps": done.steps,
        "rows_per_step": typical,  # of a table, on average over the window's models
        "seconds": whole.seconds,
        "elapsed": whole.elapsed,
        "step_ms": batches.seconds / done.steps * 1000,
        "finding_rows_seconds": (whole - batches).seconds,
        "carry_seconds": spent["carry"].seconds,
        "multiply_adds": multiply_adds,
        "sigmoids": sigmoids,
        "own_shapes_per_second": own,
        "share_of_matmul": multiply_adds / rates["multiply_adds_per_second"] / batches.seconds,
        "share_of_own_shapes": multiply_adds / own / batches.seconds,
        "share_of_sigmoid": sigmoids / rates["sigmoids_per_second"] / batches.seconds,
    }
    if clock.device.type == "cuda":
        figures["host_waits"] = _host_waits(method, generator, work, state)
    if work.rows <= DENSE_ROWS:
        figures["dense_steps_timed"] = DENSE_STEPS
        for form in FORMS:
            step = middle(dense_steps(generator, work, state, form, DENSE_STEPS, clock)).seconds
            figures[f"dense_{form}_step_ms"] = step * 1000
            figures[f"dense_{form}_ratio"] = step / (whole.seconds / done.steps)
    return figures


def begun(generator: Gru | Plus, work: Work) -> GeneratorState:
    """A state as if the generator had trained for long."""
    state = generator.initial(work.models[-1].theta)
    filled(state.hidden)
    return state


def training_parts(
    method: Method, generator: Gru | Plus, work: Work, state: GeneratorState, repeats: int, clock: Clock
) -> dict[str, Spent]:
    """Of a period: the batches alone; all but the carry, which is a sweep's part; the carry."""
    runs = []
    for _ in range(repeats + 1):  # the first compiles, and pays for memory's first use
        with clock.within(method.module, ("train", "carry")) as spent:
            _, whole = clock.of(lambda: generator.train(work.models, work.data, work.catalogue, state))
        runs.append((spent["train"], whole - spent["carry"], spent["carry"]))
    parts = (middle(of) for of in zip(*runs[1:], strict=True))
    return dict(zip(("batches", "training", "carry"), parts, strict=True))


def counted(generator: Gru | Plus, work: Work) -> Counted:
    """What the batches of a period have."""
    touched = Touched.of(work.data, work.catalogue)
    joints = joint_batches(touched, generator.batch, generator.seed, 0)
    return count(joints, len(work.data))


def _host_waits(method: Method, generator: Gru | Plus, work: Work, state: GeneratorState) -> dict[str, int]:
    """Where the host waited for CUDA while the batches were trained, and how often."""
    with watched(method.module, "train") as found:
        generator.train(work.models, work.data, work.catalogue, state)
    return dict(Counter(found))
