"""The units of an experiment: a method with a seed, period after period, going on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import torch

from asmg.experiment import peak
from asmg.experiment.ledger import Line
from asmg.experiment.methods import READ, Method
from asmg.experiment.plan import Plan
from metagen.generators import generator_of
from metagen.periods import MetaModel
from stream.store import ParquetStore
from trainer.device import choose_device, warm_up
from trainer.periods import BaseModel, PastPeriod
from trainer.pretrain import examples_of, pretrained
from trainer.score import Score
from trainer.strategies.names import strategy_of

#: Told after each period that was finished.
Done = Callable[[], None]


@dataclass(frozen=True)
class Unit:
    """A method with a seed, up to a period."""

    method: Method
    run: int  # 0 has the first seed
    until: int

    def lines(self, plan: Plan) -> int:
        """How many it has when finished: one per period, and one for pre-training, which generators lack."""
        return self.until - plan.pretrained + (plan.pretrained > 0 and self.method.metagen is None)

    def finished(self, plan: Plan) -> int:
        """How many of them there are."""
        return min(len(plan.ledger(self.method.name, self.run).lines), self.lines(plan))


def run_unit(plan: Plan, unit: Unit, done: Done = lambda: None) -> None:
    """Finish what is missing of it; that of its base, and of what it begins as, must be finished."""
    method, run = unit.method, unit.run
    if unit.finished(plan) == unit.lines(plan):
        return
    peak.reset()
    if method.metagen is None:
        _run_base(plan, method, run, unit.until, done)
    else:
        _run_generator(plan, method, run, unit.until, done)


def _run_base(plan: Plan, method: Method, run: int, until: int, done: Done) -> None:
    """Θ_t of every period: scored on D_{t+1} before it learns it.

    Where generators may read them, all their parts are kept; else the last, as many as go on, and the first.
    """
    settings, seed = method.trainer_settings(plan.trainer), plan.seed + run
    device = choose_device(settings.device, settings.threads)
    warm_up(device)
    ledger, store = plan.ledger(method.name, run), plan.store(method.name, run)
    if plan.pretrained and not ledger.lines:
        ledger.append(_begun(plan, method, run, device))
        done()
    model = _restored(plan, method, run, device) if ledger.lines else None
    begin = ledger.lines[-1]["period"] + 1 if ledger.lines else 1
    for number in range(begin, until + 1):
        seconds: dict[str, float] = {}
        samples = plan.samples(number)
        model = model or BaseModel.begin(settings, seed, device, samples)
        with _timed(seconds, "read"):
            period = model.read(number, samples)
        with _timed(seconds, "score"):
            score = model.score(period)
        with _timed(seconds, "train"):
            model.learn(period)
        memory = peak.peak_mb()
        ledger.append(
            {"period": number, "parts": _put(store, model.parts())}
            | _scores(score)
            | {"seconds": seconds, "peak_memory_mb": memory}
        )
        if method.strategy not in READ:
            _forget_before_last(store, ledger.lines, model.strategy.reach - 1)
        done()


def _forget_before_last(store: ParquetStore, lines: Sequence[Line], past: int) -> None:
    """Drop the snapshot before the last, or before as many as `_restored` wants; never the first."""
    kept = lines[-max(past, 1) :]
    needed = {name for line in (lines[0], *kept) for name in line["parts"].values()}
    for name in set(lines[max(len(lines) - 1 - len(kept), 0)]["parts"].values()) - needed:
        store.delete(name)


def _begun(plan: Plan, method: Method, run: int, device: torch.device) -> Line:
    """The line of pre-training, with the parts of Θ_0; another method's where it begins as that one does."""
    store = plan.store(method.name, run)
    settings, seed = method.trainer_settings(plan.trainer), plan.seed + run
    periods = [plan.samples(number) for number in range(1, plan.pretrained + 1)]
    if (root := method.begins_as.name) != method.name:
        line = plan.ledger(root, run).lines[0]
        parts = _get(plan.store(root, run), line["parts"])
        strategy, epochs = strategy_of(settings, seed), line["epochs"]
        strategy.pretrained(examples_of(settings, seed, device, periods))
        parts |= strategy.parts()
    else:
        model, epochs = pretrained(settings, seed, device, periods)
        parts = model.parts()
    return {
        "period": plan.pretrained, "epochs": epochs, "parts": _put(store, parts),
        "auc": None, "logloss": None, "seconds": {}, "peak_memory_mb": peak.peak_mb(),
    }  # fmt: skip


def _restored(plan: Plan, method: Method, run: int, device: torch.device) -> BaseModel:
    """The base as it was when it wrote its last line."""
    settings, seed = method.trainer_settings(plan.trainer), plan.seed + run
    store, lines = plan.store(method.name, run), plan.ledger(method.name, run).lines
    last = lines[-1]
    model = BaseModel.restore(settings, seed, device, _get(store, last["parts"]))
    by_period = {line["period"]: line for line in lines}
    past = model.strategy.reach - 1
    # Periods that were pre-trained on share one snapshot, whose items are all theirs.
    model.recall(
        [
            PastPeriod(number, plan.samples(number), _get(store, by_period.get(number, lines[0])["parts"]))
            for number in range(max(1, last["period"] - past + 1), last["period"] + 1)
        ]
    )
    return model


def _run_generator(plan: Plan, method: Method, run: int, until: int, done: Done) -> None:
    """Θ*_t of every period from its base's snapshots; before there is one, the base's own Θ_t stands."""
    settings = method.metagen_settings(plan.metagen, plan.protocol)
    trainer, seed = method.trainer_settings(plan.trainer), plan.seed + run
    device = choose_device(settings.device, settings.threads)
    warm_up(device)
    ledger, store = plan.ledger(method.name, run), plan.store(method.name, run)
    base = {line["period"]: line for line in plan.ledger(method.base, run).lines}
    snapshots = plan.store(method.base, run)
    meta = MetaModel(generator_of(settings, trainer.batch, seed), trainer, seed, settings.hidden_size, device)
    kept: Mapping[str, str] = ledger.lines[-1]["parts"] if ledger.lines else {}
    last = ledger.lines[-1]["period"] if ledger.lines else plan.pretrained
    if last:
        reach = meta.generator.k + meta.generator.before
        past = [
            PastPeriod(number, plan.samples(number), _get(snapshots, base[number]["parts"]))
            for number in range(max(1, plan.pretrained, last - reach + 1), last + 1)
        ]
        meta.restore(past, _get(store, kept) if kept else None)
    for number in range(last + 1, until + 1):
        seconds: dict[str, float] = {}
        with _timed(seconds, "read"):
            meta.read(number, plan.samples(number))
        with _timed(seconds, "score"):
            score = meta.score()
        with _timed(seconds, "generate"):
            meta.train()
        theta = _get(snapshots, base[number]["parts"])
        with _timed(seconds, "sweep"):
            parts = meta.generate(theta)
        memory, before = peak.peak_mb(), kept
        kept = _put(store, parts or {})
        ledger.append(
            {"period": number, "parts": kept, "served": "theta" if score is None else "star"}
            | (_base_scores(base[number]) if score is None else _scores(score))
            | {"seconds": seconds, "peak_memory_mb": memory}
        )
        for name in set(before.values()) - set(kept.values()):
            store.delete(name)
        done()


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - began


def _scores(score: Score) -> dict[str, float | None]:
    """As lines have them: None for what is not finite."""
    if not score.finite:
        return {"auc": None, "logloss": None}
    return {"auc": score.auc, "logloss": score.logloss}


def _base_scores(line: Line) -> dict[str, Any]:
    return {"auc": line["auc"], "logloss": line["logloss"]}


def _put(store: ParquetStore, parts: Mapping[str, pa.Table]) -> dict[str, str]:
    return {name: store.put(table) for name, table in parts.items()}


def _get(store: ParquetStore, names: Mapping[str, str]) -> dict[str, pa.Table]:
    return {part: store.get(name) for part, name in names.items()}
