"""Metagen: the generator trained on every period that closes, Θ*_t stored and announced, the gate's word.

What dies when, and what becomes of it:

| killed                        | found at the next start            | then                              |
|-------------------------------|------------------------------------|-----------------------------------|
| before Θ*_t is announced      | the gate's word on t - 1, Θ*_{t-1} | period t is done again, same bits |
| between announcement and gate | the same, and Θ*_t                 | t again; what is announced stands |
| after the gate's word on t    | all of t                           | the worker goes on with t + 1     |
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Mapping, Sequence

from prometheus_client import Counter, Gauge

from metagen.gate import Challenger, Decision, decide, refusal
from metagen.generators import generator_of
from metagen.periods import MetaModel
from metagen.settings import MetagenSettings
from stream import log, traces
from stream.metrics import metrics_on
from stream.niceness import GENERATES, stand_back
from stream.records import Announcement, Kind, Manifest, Serve, now
from trainer.announced import Announced
from trainer.device import choose_device, warm_up
from trainer.kafka import CODE_VERSION, Logs, Stopwatch, Workplace, get_all, put_all, require_base, told
from trainer.own import own_base
from trainer.settings import TrainerSettings
from trainer.worker import past_period, score_record

_PERIOD = Gauge("asmg_metagen_period", "Last period the gate decided on")
_TRAINED = Gauge("asmg_metagen_trained_periods", "Periods the generator has been trained")
_LOGLOSS = Gauge("asmg_metagen_logloss", "Prequential LogLoss of the last Θ* on the period after it, nats")
_AUC = Gauge("asmg_metagen_auc", "Prequential AUC of the last Θ* on the period after it")
_STAR = Gauge("asmg_metagen_serves_star", "1 if the gate lets the generated model serve, else 0")
_REFUSED = Counter(
    "asmg_metagen_refused", "Generated models refused: not finite, or too far from the one before"
)
_SECONDS = Gauge("asmg_metagen_seconds", "Seconds the last period took", ["stage"])

_log = logging.getLogger(__name__)


def generate(
    place: Workplace, trainer: TrainerSettings, settings: MetagenSettings, stop: threading.Event
) -> None:
    """Train, generate and decide, period after period, until `stop` is set; the one at hand is left undone.

    Raises: AsmgError: Kafka or the store fails, or the settings contradict the models there are.
    """
    stand_back(GENERATES)
    device = choose_device(settings.device, settings.threads)
    own_base(trainer, trainer.categories != "no")  # so that one which cannot be used is told of at once
    warm_up(device)
    generator = generator_of(settings, trainer.batch, place.seed)
    model = MetaModel(generator, trainer, place.seed, settings.hidden_size, device)
    with metrics_on(settings.metrics_port, "metagen.metrics_port"), Logs(place) as logs:
        logs.catch_up(stop)
        period = logs.announced.last_decided()
        taken = dict(logs.announced.models)  # as they were when the model at hand was made of them
        if period:
            require_base(taken["theta", period], trainer.base)
            restore(model, place, logs.announced, period)
        elif (start := logs.manifest(0, stop)) is not None and start.reason == "history":
            first = logs.wait(lambda: logs.announced.model("theta", 0), stop)
            if first is None:
                return
            model.begin(get_all(place.store, first))
        while manifest := logs.manifest(period + 1, stop):
            period, watch = manifest.period, Stopwatch()
            model.read(period, place.read(manifest), manifest.forget)
            watch.lap("read")
            measured = model.score()
            watch.lap("score")
            model.train()
            watch.lap("generate")
            theta = logs.wait(lambda: logs.announced.model("theta", period), stop)  # noqa: B023
            if theta is None:
                return
            require_base(theta, trainer.base)
            taken["theta", period] = theta
            watch.lap("wait")
            parts = model.generate(get_all(place.store, theta))
            seen = model.outlook() if parts is not None else None
            watch.lap("sweep")
            if parts is not None:
                names = put_all(place.store, parts)
                watch.lap("write")
                mine = Announcement(
                    kind="star",
                    version=period,
                    parts=names,
                    parents=_parents(taken, logs.announced.manifests, period, generator.k, generator.before),
                    score=score_record(measured, len(model.data[-1])) if measured else None,
                    outlook=seen,
                    seconds=watch.seconds,
                    trained=model.trained,
                    settings=told(place.seed, device, trainer=trainer, metagen=settings),
                    code_version=CODE_VERSION,
                    announced_at=now(),
                )
                accepted = logs.announce(mine, stop)
                if accepted is None:
                    return
                if accepted.parts != mine.parts:
                    model.adopt(get_all(place.store, accepted))
                taken["star", period] = accepted
            decision = gate(logs.announced, period, settings)
            serve = Serve(
                period=period,
                kind=decision.kind,
                version=period,
                reason=decision.reason,
                decided_at=now(),
            )
            if logs.decide(serve, stop) is None:
                return
            _report(logs.announced, period, decision, watch.seconds, settings.gate_jump)
            served = f"{decision.kind}/{period}"
            traces.work_done(manifest, "metagen", watch.began, watch.seconds, version=served)


def gate(announced: Announced, period: int, settings: MetagenSettings) -> Decision:
    """The gate's word after a period, from the announced scores up to it."""
    thetas = [announced.models["theta", one] for one in range(1, period + 1)]
    kinds: tuple[Kind, ...] = ("star", "ema")
    return decide(
        [_loss(one) for one in thetas],
        [found for kind in kinds if (found := _challenger(announced, kind, period, settings.gate_jump))],
        settings.tau,
        settings.gate_window,
        settings.gate_margin,
    )


def _challenger(announced: Announced, kind: Kind, period: int, bound: float) -> Challenger | None:
    """What there is of a kind up to a period; None where there is none of that period itself."""
    losses, version = list[float](), period
    while (model := announced.model(kind, version)) is not None and model.score is not None:
        losses.append(_loss(model))
        version -= 1
    last = announced.model(kind, period)
    if last is None:
        return None
    return Challenger(kind, losses[::-1], last.trained, refusal(last.outlook, bound))


def _loss(model: Announcement) -> float:
    return math.inf if model.score is None or model.score.logloss is None else model.score.logloss


def restore(model: MetaModel, place: Workplace, announced: Announced, period: int) -> None:
    """Puts the model where it was once all of `period` was done."""
    past = [
        past_period(place, announced, one, announced.models["theta", one])
        for one in range(max(1, period - model.reach + 1), period + 1)
    ]
    star = announced.model("star", period)
    model.restore(past, get_all(place.store, star) if star else None)


def _parents(
    taken: Mapping[tuple[Kind, int], Announcement],
    manifests: Sequence[Manifest],
    last: int,
    k: int,
    more: int,
) -> dict[str, str]:
    """What Θ*_t's generator was given: D_{t-k+1..t}, Θ_{t-k..t} and `more` before them, its state at t - 1.

    k is of the full window; while there are fewer models, it is all there are.
    """
    k = min(k, last - 1 - more)
    periods = {f"period/{one}": manifests[one].hash() for one in range(last - k + 1, last + 1)}
    thetas = {f"theta/{one}": taken["theta", one].hash() for one in range(last - k - more, last + 1)}
    before = taken.get(("star", last - 1))
    return periods | thetas | ({f"star/{last - 1}": before.hash()} if before else {})


def _report(
    announced: Announced, period: int, decision: Decision, seconds: dict[str, float], bound: float
) -> None:
    _PERIOD.set(period)
    _STAR.set(decision.kind == "star")
    star = announced.model("star", period)
    if star is not None:
        _TRAINED.set(star.trained)
        if refusal(star.outlook, bound) is not None:
            _REFUSED.inc()
        if star.score is not None:
            _LOGLOSS.set(_loss(star))
            _AUC.set(math.nan if star.score.auc is None else star.score.auc)
    for stage, spent in seconds.items():
        _SECONDS.labels(stage).set(spent)
    of = log.of(period, f"{decision.kind}/{period}")
    _log.info("period %d: %s serves, %s", period, decision.kind, decision.reason, extra=of)
