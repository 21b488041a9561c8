"""The trainer: Θ_t for every period that closes, scored before it learns, stored, then announced.

What dies when, and what becomes of it:

| killed                              | found at the next start  | then                                |
|-------------------------------------|--------------------------|-------------------------------------|
| before Θ_0 of a history is there    | no model                 | it is pre-trained again, same bits  |
| before or while D_t is learnt       | Θ_{t-1} announced        | period t is done again, same bits   |
| with some or all parts in the store | Θ_{t-1} announced        | the parts are put again, harmlessly |
| between the average's and Θ_t's     | the same, and Θ̄_t        | t again; what is announced stands   |
| after the announcement was written  | Θ_t announced, by either | the worker goes on with t + 1       |
"""

from __future__ import annotations

import logging
import threading

import numpy as np
import torch
from prometheus_client import Gauge

from stream import log, traces
from stream.close.cut import periods_in
from stream.live.drift import distance
from stream.metrics import metrics_on
from stream.records import Announcement, Drift, Manifest, Score, Shadow, now
from stream.samples import Samples
from stream.settings import StreamSettings
from trainer.activity import Activity
from trainer.announced import Announced
from trainer.average import Average
from trainer.device import choose_device, warm_up
from trainer.kafka import CODE_VERSION, Logs, Stopwatch, Workplace, get_all, put_all, require_base, told
from trainer.lineage import name_of
from trainer.own import own_base
from trainer.periods import BaseModel, PastPeriod, Period
from trainer.pretrain import pretrained
from trainer.score import Score as Measured
from trainer.settings import TrainerSettings

_PERIOD = Gauge("asmg_trainer_period", "Last period learnt")
_AUC = Gauge("asmg_trainer_auc", "Prequential AUC of the last Θ on the period after it")
_LOGLOSS = Gauge("asmg_trainer_logloss", "Prequential LogLoss of the last Θ on the period after it, nats")
_EMA_AUC = Gauge("asmg_trainer_ema_auc", "Prequential AUC of the last average of the Θ")
_EMA_LOGLOSS = Gauge("asmg_trainer_ema_logloss", "Prequential LogLoss of the last average of the Θ, nats")
_SECONDS = Gauge("asmg_trainer_seconds", "Seconds the last period took", ["stage"])

_log = logging.getLogger(__name__)


def train(place: Workplace, settings: TrainerSettings, stop: threading.Event) -> None:
    """Learn period after period until `stop` is set; the period at hand is left undone then.

    Raises: AsmgError: Kafka or the store fails, or the settings contradict the models there are.
    """
    device = choose_device(settings.device, settings.threads)
    own_base(settings, settings.categories != "no")  # so that one which cannot be used is told of at once
    warm_up(device)
    with metrics_on(settings.metrics_port, "trainer.metrics_port"), Logs(place) as logs:
        logs.catch_up(stop)
        period = logs.announced.last_theta()
        last = logs.announced.model("theta", period)
        model = restored(place, settings, device, logs.announced, last) if last else None
        start = logs.manifest(0, stop) if last is None else None
        if start is not None and start.reason == "history":
            made = _pretrain(place, settings, device, logs, start, stop)
            if made is None:
                return
            model, last = made
        decay = settings.ema
        averaging = None if decay is None else Averaging(decay, place, device, logs, model)
        while manifest := logs.manifest(period + 1, stop):
            period, watch = manifest.period, Stopwatch()
            d_t = place.read(manifest)
            model = model or BaseModel.begin(settings, place.seed, device, d_t)
            read = model.read(period, d_t, manifest.forget)
            watch.lap("read")
            measured = model.score(read)
            watch.lap("score")
            before = model.snapshot.activity.get("item")
            model.learn(read)
            watch.lap("train")
            parts = put_all(place.store, model.parts())
            watch.lap("write")
            parents = _parents(last, manifest)
            if averaging and not averaging.announce(model, read, parents, stop):
                return
            mine = Announcement(
                kind="theta",
                version=period,
                parts=parts,
                parents=parents,
                score=score_record(measured, len(read.examples)),
                drift=drift_of(before, model.snapshot.activity["item"]),
                seconds=watch.seconds,
                settings=told(place.seed, device, trainer=settings),
                code_version=CODE_VERSION,
                announced_at=now(),
            )
            accepted = logs.announce(mine, stop)
            if accepted is None:
                return
            if accepted.parts != mine.parts:
                model = restored(place, settings, device, logs.announced, accepted)
            last = accepted
            _report(mine, measured)
            traces.work_done(manifest, "train", watch.began, watch.seconds, version=name_of(mine))


def begun(
    place: Workplace, settings: TrainerSettings, device: torch.device, start: Manifest, first: Samples
) -> BaseModel:
    """Θ_0: pre-trained on D_0 where manifest 0 (`start`) names a history, else as seed and ids determine it.

    first: D_1.
    """
    if start.reason == "history":
        return theta_0(place, settings, device, start)[0]
    return BaseModel.begin(settings, place.seed, device, first)


def theta_0(
    place: Workplace, settings: TrainerSettings, device: torch.device, start: Manifest
) -> tuple[BaseModel, int]:
    """Θ_0 of the history that manifest 0 names, and for how many epochs it learnt.

    D_0 is cut as the stream's periods are; the last of them has number -1.
    """
    shape = StreamSettings.model_validate(start.settings)
    periods = periods_in(place.read(start), shape.period_count, shape.period_span)
    return pretrained(settings, place.seed, device, periods, first=-len(periods))


def _pretrain(
    place: Workplace,
    settings: TrainerSettings,
    device: torch.device,
    logs: Logs,
    start: Manifest,
    stop: threading.Event,
) -> tuple[BaseModel, Announcement] | None:
    """Θ_0 learnt and announced, or as somebody else announced it before; None when stopped."""
    watch = Stopwatch()
    model, epochs = theta_0(place, settings, device, start)
    watch.lap("train")
    parts = put_all(place.store, model.parts())
    watch.lap("write")
    mine = Announcement(
        kind="theta",
        version=0,
        parts=parts,
        parents={"period/0": start.hash()},
        seconds=watch.seconds,
        settings=told(place.seed, device, trainer=settings),
        code_version=CODE_VERSION,
        announced_at=now(),
    )
    accepted = logs.announce(mine, stop)
    if accepted is None:
        return None
    _log.info(
        "theta/0: pre-trained on %d samples, %d epochs", start.count, epochs, extra=log.of(0, "theta/0")
    )
    if accepted.parts != mine.parts:
        model = restored(place, settings, device, logs.announced, accepted)
    return model, accepted


def restored(
    place: Workplace,
    settings: TrainerSettings,
    device: torch.device,
    announced: Announced,
    last: Announcement,
) -> BaseModel:
    """The model as it was when it announced `last`, with the earlier data its strategy reads."""
    require_base(last, settings.base)
    model = BaseModel.restore(settings, place.seed, device, get_all(place.store, last))
    past = model.strategy.reach - 1
    model.recall(
        [
            past_period(place, announced, period, announced.models["theta", period])
            for period in range(max(1, last.version - past + 1), last.version + 1)
        ]
    )
    return model


def past_period(
    place: Workplace, announced: Announced, period: int, theta: Announcement | Shadow
) -> PastPeriod:
    """A period that is over, as a restart reads it; theta: the base model of then."""
    manifest = announced.manifests[period]
    return PastPeriod(period, place.read(manifest), get_all(place.store, theta), manifest.forget)


class Averaging:
    """The average beside Θ, from period to period.

    Θ̄_t is announced before Θ_t, so whoever finds that one finds this one too.
    """

    def __init__(
        self, decay: float, place: Workplace, device: torch.device, logs: Logs, model: BaseModel | None
    ) -> None:
        """model: the last Θ, whose average is gone on with; where it has none, a new one begins."""
        period = logs.announced.last_theta()
        self._place, self._device, self._logs = place, device, logs
        self._average, self._last = Average(decay), logs.announced.model("ema", period)
        if self._last is not None and model is not None:
            self._adopt(self._last, model)

    def announce(
        self, model: BaseModel, read: Period, parents: dict[str, str], stop: threading.Event
    ) -> bool:
        """Θ̄_{t-1} scored on D_t, and Θ_t, which the model has just learnt, taken in; False when stopped.

        parents: those of Θ_t.
        """
        watch, last = Stopwatch(), self._last
        self._average.keep(read.stay)
        measured = self._average.score(model, read)
        watch.lap("score")
        parts = put_all(self._place.store, self._average.take(model))
        watch.lap("write")
        mine = Announcement(
            kind="ema",
            version=read.number,
            parts=parts,
            parents=parents | ({f"ema/{last.version}": last.hash()} if last else {}),
            score=score_record(measured, len(read.examples)) if measured else None,
            seconds=watch.seconds,
            trained=self._average.taken,
            settings=told(self._place.seed, self._device, trainer=model.settings),
            code_version=CODE_VERSION,
            announced_at=now(),
        )
        self._last = self._logs.announce(mine, stop)
        if measured:
            _EMA_AUC.set(float("nan") if measured.auc is None else measured.auc)
            _EMA_LOGLOSS.set(measured.logloss)
        if self._last is not None and self._last.parts != parts:
            self._adopt(self._last, model)
        return self._last is not None

    def _adopt(self, average: Announcement, model: BaseModel) -> None:
        self._average.restore(get_all(self._place.store, average), average.trained, model)


def score_record(measured: Measured, rows: int) -> Score:
    """The score as announcements have it: None for what is not finite."""
    return Score(auc=measured.auc, logloss=measured.logloss if measured.finite else None, rows=rows)


def drift_of(before: Activity | None, after: Activity) -> Drift | None:
    """How items' popularity differs between two periods; None where one of them has no positives, or is none.

    Of a hashed table, whose rows several items share, it is that of rows.
    """
    if before is None or not before.positives.any() or not after.positives.any():
        return None
    counts = np.zeros((2, len(after)), np.int64)
    counts[0, : len(before)], counts[1] = before.positives, after.positives
    shown = np.zeros(len(after), np.bool_)
    shown[: len(before)] = before.impressions > 0
    new = after.positives[~shown].sum() / after.positives.sum()
    return Drift(round(distance(counts), 6), round(float(new), 6))


def _parents(before: Announcement | None, manifest: Manifest) -> dict[str, str]:
    """What Θ_t was made of: its manifest, and Θ_{t-1} as it was when it was learnt from."""
    theta = {f"theta/{before.version}": before.hash()} if before else {}
    return {f"period/{manifest.period}": manifest.hash()} | theta


def _report(mine: Announcement, measured: Measured) -> None:
    _PERIOD.set(mine.version)
    _AUC.set(float("nan") if measured.auc is None else measured.auc)
    _LOGLOSS.set(measured.logloss)
    for stage, spent in mine.seconds.items():
        _SECONDS.labels(stage).set(spent)
    auc = "-" if measured.auc is None else f"{measured.auc:.4f}"
    of = log.of(mine.version, name_of(mine))
    _log.info("theta/%d: Θ before it AUC %s, LogLoss %.4f", mine.version, auc, measured.logloss, extra=of)
