"""One late period of real data as the live loop has it: base update, reading, scoring, generator training."""

from __future__ import annotations

from pathlib import Path

import torch

from asmg.experiment.periods import periods_of
from asmg.options import settings_of, source_of
from asmg.staging import CLICK_LOGS, PERIODS, SHARED_ROWS, unless_set
from bench.generator.clock import Clock, middle
from bench.generator.machine import Figures, machine
from bench.generator.methods import METHODS, Method
from bench.machine import Tell
from metagen.generators import generator_of
from metagen.periods import MetaModel
from metagen.settings import MetagenSettings
from stream.samples import Samples
from trainer.device import warm_up
from trainer.parts import Parts
from trainer.periods import BaseModel, PastPeriod
from trainer.settings import TrainerSettings

#: The period that is timed.
NUMBER = 30

#: Seconds each stage is to take at most on one core of a CPU, at the paper's width of vectors.
GOALS = {
    "base update": 0.8,
    "reading and scoring": 0.3,
    "training asmg-gru-multi": 2.5,
    "training asmg-plus": 1.2,
}


def measure_period(
    data: Path,
    batch: int,
    width: int,
    repeats: int,
    device: torch.device,
    tell: Tell = lambda what: None,  # noqa: ARG005
) -> Figures:
    """Medians of `repeats` for period NUMBER under the stream protocol, with plain incremental update.

    Everything before it is learnt as in the live loop. Training includes carrying the hidden state past the
    window's first model. Raises: DataError, ConfigurationError: no data, or too few.
    """
    settings = settings_of(())
    dataset, source = source_of(data, None)
    trainer = settings.trainer.model_copy(update={"strategy": "iu", "batch": batch, "embedding": width})
    if dataset in CLICK_LOGS:
        trainer = unless_set(trainer, {"user_rows": SHARED_ROWS})
    tell(f"reading {data}")
    periods = periods_of("stream", dataset, source, PERIODS, settings.stream)[:NUMBER]
    del source
    clock, seed = Clock(device), settings.stream.seed
    warm_up(device)
    found = {"machine": machine(device), "data": dataset, "period": NUMBER, "batch": batch, "width": width}
    tell(f"learning {NUMBER - 1} periods")
    snapshots = _learnt(trainer, seed, device, periods[:-1])
    tell("timing the base")
    stages = _base_stages(trainer, seed, periods, snapshots[NUMBER - 1], repeats, clock)
    for method in METHODS:
        tell(f"timing {method.name}")
        stages[f"training {method.name}"] = _generator_stage(
            method, trainer, seed, periods, snapshots, repeats, clock
        )
    return found | {
        "samples": len(periods[-1]),
        "stages": {name: stage | {"goal": GOALS[name]} for name, stage in stages.items()},
    }


def _learnt(
    trainer: TrainerSettings, seed: int, device: torch.device, periods: list[Samples]
) -> dict[int, Parts]:
    """Θ_t of the last periods that a generator reads."""
    kept: dict[int, Parts] = {}
    model = BaseModel.begin(trainer, seed, device, periods[0])
    for number, samples in enumerate(periods, start=1):
        model.learn(model.read(number, samples))
        if number >= len(periods) - max(method.generator(1).k + method.before for method in METHODS):
            kept[number] = model.parts()
    return kept


def _base_stages(
    trainer: TrainerSettings, seed: int, periods: list[Samples], before: Parts, repeats: int, clock: Clock
) -> dict[str, Figures]:
    """What reads D_t, scores Θ_{t-1} on it and makes Θ_t, begun anew from the parts of Θ_{t-1} each time."""
    seen, learnt = [], []
    for _ in range(repeats):
        model = BaseModel.restore(trainer, seed, clock.device, before)
        period, reading = clock.of(lambda: model.read(len(periods), periods[-1]))  # noqa: B023 called here
        _, scoring = clock.of(lambda: model.score(period))  # noqa: B023
        _, learning = clock.of(lambda: model.learn(period))  # noqa: B023
        seen.append(reading + scoring)
        learnt.append(learning)
    found = {"base update": middle(learnt), "reading and scoring": middle(seen)}
    return {name: {"seconds": one.seconds, "elapsed": one.elapsed} for name, one in found.items()}


def _generator_stage(
    method: Method,
    trainer: TrainerSettings,
    seed: int,
    periods: list[Samples],
    snapshots: dict[int, Parts],
    repeats: int,
    clock: Clock,
) -> Figures:
    """Training on the last period's window, from the state that the period before left."""
    settings, last = MetagenSettings(generator=method.name), len(periods)
    generator = generator_of(settings, trainer.batch, seed)
    model = MetaModel(generator, trainer, seed, settings.hidden_size, clock.device)
    before = range(last - 1 - model.reach, last - 1)
    model.restore([PastPeriod(one, periods[one - 1], snapshots[one]) for one in before], None)
    model.read(last - 1, periods[last - 2])
    model.train()
    model.generate(snapshots[last - 1])
    model.read(last, periods[-1])
    state, catalogue = model.state, model.catalogue
    assert state is not None
    assert catalogue is not None
    models, data = list(model.models), list(model.data)
    whole, carries = [], []
    for _ in range(repeats):
        with clock.within(method.module, ("carry",)) as spent:
            whole.append(clock.of(lambda: generator.train(models, data, catalogue, state))[1])
        carries.append(spent["carry"])
    took = middle(whole)
    return {"seconds": took.seconds, "elapsed": took.elapsed, "carry_seconds": middle(carries).seconds}
