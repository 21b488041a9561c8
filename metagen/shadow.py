"""Shadows: methods that run beside what serves, on the same periods, to be compared with it.

They have a process of their own, so that none of them delays what serves. A base model that the trainer
keeps anyhow is read from its announcements; every other one is trained here, once for all that read it.
Killed anywhere, a shadow goes on after the last version that it announced, bit for bit; one that was named
later begins with the first period.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import torch
from prometheus_client import Gauge

from metagen.generators import generator_of
from metagen.methods import Named, named
from metagen.periods import MetaModel
from metagen.settings import MetagenSettings
from stream import log
from stream.metrics import metrics_on
from stream.niceness import ACCOMPANIES, stand_back
from stream.records import Manifest, Shadow, now
from stream.samples import Samples
from trainer.device import choose_device, warm_up
from trainer.kafka import Logs, Stopwatch, Workplace, get_all, put_all, require_base, told
from trainer.lineage import name_of
from trainer.own import own_base
from trainer.periods import BaseModel
from trainer.score import Score
from trainer.settings import TrainerSettings
from trainer.worker import begun, past_period, score_record

_PERIOD = Gauge("asmg_shadow_period", "Last period a shadow has taken in", ["method"])
_AUC = Gauge("asmg_shadow_auc", "Prequential AUC of a shadow on the last period", ["method"])
_LOGLOSS = Gauge(
    "asmg_shadow_logloss", "Prequential LogLoss of a shadow on the last period, nats", ["method"]
)

_log = logging.getLogger(__name__)

Parts = Mapping[str, pa.Table]


def shadow(
    place: Workplace, trainer: TrainerSettings, metagen: MetagenSettings, stop: threading.Event
) -> None:
    """Take every shadow of `trainer.shadow` from period to period until `stop` is set.

    Raises: ConfigurationError: there is no such method, or the settings contradict the models there are.
    AsmgError: Kafka or the store fails.
    """
    methods = [named(one, trainer, metagen) for one in trainer.shadow]
    for one in methods:
        own_base(one.trainer, trainer.categories != "no")  # those that take none of one's own are told of
    stand_back(ACCOMPANIES)
    device = choose_device(trainer.device, trainer.threads)
    warm_up(device)
    with metrics_on(trainer.shadow_metrics_port, "trainer.shadow_metrics_port"), Logs(place) as logs:
        logs.catch_up(stop)
        runs = _runs(methods, place, trainer, device, logs)
        period = min((one.last for one in runs), default=0)
        while runs and (manifest := logs.manifest(period + 1, stop)):
            period, samples = manifest.period, place.read(manifest)
            if not all(one.go(manifest, samples, stop) for one in runs if one.last < period):
                return
        stop.wait()


def _runs(
    methods: Sequence[Named], place: Workplace, trainer: TrainerSettings, device: torch.device, logs: Logs
) -> list[Base | Generated]:
    """Bases first, each once."""
    wanted = {one.trainer.strategy: one.trainer for one in methods}
    served = trainer.strategy
    bases = {
        name: Base(name, settings, place, device, logs)
        for name, settings in wanted.items()
        if name != served or any(one.name == name for one in methods)
    }
    generated = [
        Generated(one, bases.get(one.trainer.strategy), place, device, logs)
        for one in methods
        if one.metagen is not None
    ]
    return [*bases.values(), *generated]


class _Run:
    """What both kinds of run share: where they are, and how they tell."""

    def __init__(
        self, name: str, base: str | None, settings: dict[str, Any], place: Workplace, logs: Logs
    ) -> None:
        """base: `trainer.base`."""
        self.name, self.place, self.logs = name, place, logs
        self.last = logs.announced.last_shadow(name)
        if self.last:
            require_base(logs.announced.shadows[name, self.last], base)
        self._settings = settings

    def stored(self, version: int) -> Parts:
        """The parts of a version that was announced."""
        return get_all(self.place.store, self.logs.announced.shadows[self.name, version])

    def announce(
        self, period: int, parts: Parts, score: Score | None, rows: int, watch: Stopwatch, trained: int,
        stop: threading.Event,
    ) -> bool | None:  # fmt: skip
        """Whether what counts is ours; None when stopped."""
        names = put_all(self.place.store, parts)
        watch.lap("write")
        mine = Shadow(
            name=self.name,
            version=period,
            parts=names,
            score=score_record(score, rows) if score else None,
            seconds=watch.seconds,
            trained=trained,
            settings=self._settings,
            announced_at=now(),
        )
        accepted = self.logs.announce_shadow(mine, stop)
        if accepted is None:
            return None
        self.last = period
        _PERIOD.labels(self.name).set(period)
        if score is not None:
            _AUC.labels(self.name).set(float("nan") if score.auc is None else score.auc)
            _LOGLOSS.labels(self.name).set(score.logloss)
            of = log.of(period, name_of(mine))
            _log.info("%s/%d: LogLoss %.4f on the period", self.name, period, score.logloss, extra=of)
        return accepted.parts == names


class Base(_Run):
    """A base model of a strategy that does not serve."""

    def __init__(
        self, name: str, settings: TrainerSettings, place: Workplace, device: torch.device, logs: Logs
    ) -> None:
        super().__init__(name, settings.base, told(place.seed, device, trainer=settings), place, logs)
        self.settings, self.device = settings, device
        self.model = self._restored() if self.last else None

    def go(self, manifest: Manifest, samples: Samples, stop: threading.Event) -> bool:
        """Score Θ_{t-1} on D_t, learn Θ_t, announce it; False when stopped."""
        period, watch = manifest.period, Stopwatch()
        if self.model is None:
            start = self.logs.announced.manifests[0]
            self.model = begun(self.place, self.settings, self.device, start, samples)
        read = self.model.read(period, samples, manifest.forget)
        watch.lap("read")
        score = self.model.score(read)
        watch.lap("score")
        self.model.learn(read)
        watch.lap("train")
        ours = self.announce(period, self.model.parts(), score, len(read.examples), watch, 0, stop)
        if ours is False:
            self.model = self._restored()
        return ours is not None

    def _restored(self) -> BaseModel:
        model = BaseModel.restore(self.settings, self.place.seed, self.device, self.stored(self.last))
        announced = self.logs.announced
        model.recall(
            [
                past_period(self.place, announced, period, announced.shadows[self.name, period])
                for period in range(max(1, self.last - model.strategy.reach + 2), self.last + 1)
            ]
        )
        return model


class Generated(_Run):
    """A generator on a base model: on a shadow's or, without one, on the Θ that the trainer announces."""

    def __init__(
        self, method: Named, base: Base | None, place: Workplace, device: torch.device, logs: Logs
    ) -> None:
        assert method.metagen is not None
        trainer, metagen, seed = method.trainer, method.metagen, place.seed
        made = told(seed, device, trainer=trainer, metagen=metagen)
        super().__init__(method.name, trainer.base, made, place, logs)
        self.base = base
        self.model = MetaModel(
            generator_of(metagen, trainer.batch, seed), trainer, seed, metagen.hidden_size, device
        )
        if self.last:
            self._restore()

    def go(self, manifest: Manifest, samples: Samples, stop: threading.Event) -> bool:
        """Score Θ*_{t-1} on D_t, train, generate Θ*_t, announce it; False when stopped."""
        period, watch = manifest.period, Stopwatch()
        if not self.last and self.logs.announced.manifests[0].reason == "history":
            known = self.base.stored(period) if self.base is not None else self._theta(0, stop)
            if known is None:
                return False
            self.model.begin(known)
        self.model.read(period, samples, manifest.forget)
        watch.lap("read")
        score = self.model.score()
        watch.lap("score")
        self.model.train()
        watch.lap("generate")
        theta = self._theta(period, stop)
        if theta is None:
            return False
        watch.lap("wait")
        parts = self.model.generate(theta) or {}
        watch.lap("sweep")
        rows = len(self.model.data[-1])
        ours = self.announce(period, parts, score, rows, watch, self.model.trained, stop)
        if ours is False:
            self.model.adopt(self.stored(period))
        return ours is not None

    def _theta(self, period: int, stop: threading.Event) -> Parts | None:
        """Θ_t; None when stopped."""
        if self.base is not None:
            return self.base.stored(period)
        theta = self.logs.wait(lambda: self.logs.announced.model("theta", period), stop)
        if theta is None:
            return None
        require_base(theta, self.model.trainer.base)
        return get_all(self.place.store, theta)

    def _restore(self) -> None:
        announced = self.logs.announced
        base = self.base
        past = [
            past_period(
                self.place,
                announced,
                period,
                announced.models["theta", period] if base is None else announced.shadows[base.name, period],
            )
            for period in range(max(1, self.last - self.model.reach + 1), self.last + 1)
        ]
        star = announced.shadows[self.name, self.last]
        self.model.restore(past, self.stored(self.last) if star.parts else None)
