"""Models made period by period, announced and put in a store, as trainer and metagen leave them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa
import torch

from serving import board
from serving.board import Measure, Row, Seconds, Unused
from serving.bundle import Bundle
from serving.fetch import fetch
from serving.health import Standing, health
from serving.impressions import Impression
from serving.model import Model
from serving.opening import Opener
from serving.service import Other, Served, Service
from serving.state import NOTHING, Events, Lag, Moment, Process, Requests, State, Taken
from serving.telling import Teller
from stream.records import Announcement, Drift, Kind, Score, Serve
from stream.samples import Samples
from stream.store import ParquetStore, Store
from trainer.kafka import put_all
from trainer.lineage import name_of
from trainer.periods import BaseModel
from trainer.settings import TrainerSettings
from trainer.snapshot import model_parts

SEED = 3
#: What a period's users, items and categories are drawn from.
USERS, ITEMS, CATEGORIES = 12, 25, 4


@dataclass
class Factory:
    """Θ_1, Θ_2, … in a store, with their announcements."""

    store: ParquetStore
    periods: Callable[..., Samples]
    settings: TrainerSettings = field(default_factory=lambda: TrainerSettings(batch=16))
    categories: int = CATEGORIES
    base: BaseModel | None = None
    read: list[Samples] = field(default_factory=list)

    def next(self, kind: Kind = "theta", seconds: dict[str, float] | None = None) -> Announcement:
        """The model of the next period; a star is the same model with only what stars publish."""
        period = len(self.read) + 1
        samples = self.periods(period, users=USERS, items=ITEMS + 5 * period, categories=self.categories)
        self.read.append(samples)
        self.base = self.base or BaseModel.begin(self.settings, SEED, torch.device("cpu"), samples)
        self.base.learn(self.base.read(period, samples))
        return self.announce(kind, period, self.parts(kind), seconds)

    def parts(self, kind: Kind) -> dict[str, pa.Table]:
        assert self.base is not None
        if kind == "theta":
            return self.base.parts()
        snapshot = self.base.snapshot
        activity = snapshot.activity if self.settings.strategy == "iu-activity" else None
        return model_parts(snapshot.theta, self.base.catalogue, activity)

    def announce(
        self,
        kind: Kind,
        version: int,
        parts: dict[str, pa.Table],
        seconds: dict[str, float] | None = None,
    ) -> Announcement:
        return Announcement(
            kind=kind,
            version=version,
            parts=put_all(self.store, parts),
            parents={},
            score=Score(auc=0.7, logloss=0.6, rows=60),
            seconds=seconds or {},
            settings={"trainer": {"base": self.settings.base}},
            announced_at=1_000 * version,
        )


def opened(parts: dict[str, pa.Table], settings: TrainerSettings, version: int = 1) -> Model:
    """The model of these parts, by the way that serving goes from a store to an answer."""
    announced = Announcement(
        kind="star",
        version=version,
        parts={role: role for role in parts},
        parents={},
        settings={"trainer": {"base": settings.base}},
    )
    store = cast(Store, SimpleNamespace(get=parts.__getitem__))
    return load(store, announced, settings)


def load(store: Store, announced: Announcement, settings: TrainerSettings) -> Model:
    """The announced model, as the keeper fetches it and a process that answers opens it."""
    with Bundle(fetch(store, announced, settings)) as bundle:
        return Opener(settings, SEED).open(name_of(announced), bundle.fd, bundle.spans).model


class LocalDesk:
    """A crew of one, in this process."""

    def __init__(self, service: Service, settings: TrainerSettings) -> None:
        self.standing: Standing | None = None
        self._service, self._opener = service, Opener(settings, SEED)

    def bring(self, bundle: Bundle, standing: Standing) -> None:
        model = self._open(bundle, standing.kind, standing.version)
        self.standing, self._service.served = standing, Served(model, standing)

    def put_beside(self, bundle: Bundle, kind: Kind, version: int) -> None:
        self._service.beside = Other(self._open(bundle, kind, version), kind, version)

    def _open(self, bundle: Bundle, kind: Kind, version: int) -> Model:
        with bundle:
            return self._opener.open(f"{kind}/{version}", bundle.fd, bundle.spans).model


class Watched(Service):
    """A service that is told states as the keeper tells them."""

    def __init__(self, *all_of_it: Any) -> None:
        super().__init__(*all_of_it)
        self._teller, self._state = Teller(), NOTHING

    @property
    def state(self) -> State:
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        self._state, self.telling = state, self._teller.tell(state)


class Shelf:
    """Takes impressions, or refuses them."""

    def __init__(self) -> None:
        self.taken: list[Impression] = []
        self.full = False

    def add(self, impressions: list[Impression]) -> bool:
        if not self.full:
            self.taken += impressions
        return not self.full

    def __len__(self) -> int:
        return len(self.taken)


def page_state(
    periods: int,
    reason: str = "LogLoss over 3 periods: generated 0.5731, base 0.5842",
    shadows: Sequence[str] = ("iu",),
) -> State:
    """A state as it is after some periods: warm-up until the fifth, then the generated model.

    The first of the shadows is scored from period 2 on and behind Θ, every further one from 4 periods later
    on and better than the one before. Moments are those of the last 300 seconds, two processes answer.
    """
    begin, rows = int(time.time() * 1000) - 4_000 * periods - 1_500, []
    for period in range(1, periods + 1):
        star = period >= 5
        wave = math.sin(period * 1.7) + 0.6 * math.sin(period * 0.61 + 1)
        closed = begin + 4_000 * period
        trained = closed + int(620 + 90 * wave)
        generated = trained + int(410 + 60 * math.cos(period)) if period >= 3 else None
        served_at = (generated or trained) + int(190 + 40 * math.sin(period * 3))
        kind: Kind = "star" if star else "theta"
        auc, loss = 0.69 + 0.045 * (1 - math.exp(-period / 7)) + 0.004 * wave, 0.62 - 0.002 * wave
        loss -= 0.035 * (1 - math.exp(-period / 9))
        rows.append(
            Row(
                period=period,
                samples=32_048,
                reason="count",
                opened_at=closed - 3_900 - int(500 * wave),
                closed_at=closed,
                trained_at=trained,
                generated_at=generated,
                served_at=served_at,
                theta=Measure(auc, loss) if period > 1 else None,
                star=Measure(auc + 0.011 - 0.02 / period, loss - 0.013 + 0.04 / period)
                if period > 3
                else None,
                shadows={
                    name: Measure(auc - 0.012 + 0.009 * place, loss + 0.015 - 0.011 * place)
                    for place, name in enumerate(shadows)
                    if period > 1 + 4 * place
                },
                served=board.Served(period, kind),
                word=board.Served(period, kind),
                gate=reason if star else f"warm-up: trained {max(period - 2, 0)} of 3 periods",
                seconds=Seconds(0.2, 0.5, 0.4 if generated else None, 0.12, (served_at - closed) / 1000),
                freshness_seconds=(served_at - closed) / 1000 + 0.2,
                unused=Unused(late=max(int(14 + 9 * wave), 0), delayed=106, dead=int(period % 9 == 4)),
                drift=Drift(0.19 + 0.03 * wave, 0.05 + 0.2 / period) if period > 1 else None,
            )
        )
    serving = Standing(periods, rows[-1].word.kind, periods, int(time.time() * 1000))
    word = Serve(period=periods, kind=serving.kind, version=periods, reason=rows[-1].gate or "")
    used = 32_048 * periods
    counts = {"used": used, "pending": 1_204, "late": 311, "delayed": 2_870, "duplicate": 44, "dead": 7}
    swaps = [Taken(row.served_at, row.served.kind, row.served.version) for row in rows if row.served_at]
    moments = page_moments(int(time.time() * 1000))
    return State(
        serving=serving,
        health=health(serving, word, rows, None),
        periods=rows,
        counts=counts | {"produced": sum(counts.values())},
        busy_seconds=12.5,
        events=Events(used * 3 + 12_345, 8_123.4),
        requests=Requests(51_204, 184.2, 1.412, 2.874, 0),
        processes=[
            Process(pid=4_711, version=serving.version, kind=serving.kind, requests=26_010),
            Process(pid=4_712, version=serving.version, kind=serving.kind, requests=25_194),
        ],
        lag=moments[-1].lag,
        moments=moments,
        now=moments[-1],
        swaps=swaps,
        taken=swaps[-1],
    )


def page_moments(end: int, seconds: int = 300) -> list[Moment]:
    """The seconds up to `end`, ms: busier and quieter by turns, nobody asking in the first of them."""
    moments = []
    for place in range(seconds):
        wave, ripple = math.sin(place / 31), math.sin(place * 2.7) + math.sin(place * 1.13)
        asked = place >= 20
        late = max(0.0, math.sin(place / 23 + 1)) ** 6
        moments.append(
            Moment(
                at=end - 1000 * (seconds - 1 - place),
                events_per_second=8_100 + 900 * wave + 160 * ripple,
                requests_per_second=170 + 40 * wave + 9 * ripple if asked else 0.0,
                p50_ms=1.4 + 0.05 * ripple if asked else None,
                p99_ms=2.9 + 0.2 * ripple + 1.6 * (place % 47 == 0) if asked else None,
                lag=Lag(
                    window=int(900 + 5_000 * late + 260 * ripple),
                    train=int(late > 0.5) + int(place % 4 == 0),
                    generate=int(place % 4 < 2) + int(late > 0.6),
                    serve=int(place % 4 == 1),
                    histories=max(0, int(140 * late + 20 * ripple)),
                ),
            )
        )
    return moments
