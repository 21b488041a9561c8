"""Models made period by period, announced and put in a store, as trainer and metagen leave them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import torch

from serving.board import Measure, Row, Seconds, Served
from serving.health import Standing, health
from serving.impressions import Impression
from serving.state import Events, Requests, State
from stream.records import Announcement, Kind, Score, Serve
from stream.samples import Samples
from stream.store import ParquetStore
from trainer.kafka import put_all
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
            announced_at=1_000 * version,
        )


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
    on and better than the one before.
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
                served=Served(period, kind),
                word=Served(period, kind),
                gate=reason if star else f"warm-up: trained {max(period - 2, 0)} of 3 periods",
                seconds=Seconds(0.2, 0.5, 0.4 if generated else None, 0.12, (served_at - closed) / 1000),
                freshness_seconds=(served_at - closed) / 1000 + 0.2,
            )
        )
    serving = Standing(periods, rows[-1].word.kind, periods, int(time.time() * 1000))
    word = Serve(period=periods, kind=serving.kind, version=periods, reason=rows[-1].gate or "")
    used = 32_048 * periods
    counts = {"used": used, "pending": 1_204, "late": 311, "delayed": 2_870, "duplicate": 44, "dead": 7}
    return State(
        serving=serving,
        health=health(serving, word, rows, None),
        periods=rows,
        counts=counts | {"produced": sum(counts.values())},
        busy_seconds=12.5,
        events=Events(used * 3 + 12_345, 8_123.4),
        requests=Requests(51_204, 1.412, 2.874),
    )
