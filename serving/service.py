"""The service behind the API: the model that answers, and what else an answer needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np

from serving import metrics
from serving.health import Standing
from serving.histories import Histories
from serving.impressions import Impression, Shown
from serving.model import Model
from serving.request import BadRequest, Ranking
from serving.settings import ServingSettings
from serving.state import NOTHING, Latencies, State
from stream.records import Kind


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """One ranked item; `impression_id` is there where the answer was logged, for its click to name."""

    item_id: str
    score: float  # probability of a click, as the model has it
    impression_id: str | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A ranking, best first; items of equal score keep the request's order."""

    version: int
    kind: Kind
    items: list[Item]
    unknown_user: bool  # scored from the initial vector
    unknown_items: int  # candidates scored from initial vectors


@dataclass(frozen=True, eq=False)
class Served:
    """A model in service: one reference, so that a request sees all of it or none."""

    model: Model
    standing: Standing


class Shelf(Protocol):
    """Where impressions go."""

    def add(self, impressions: list[Impression]) -> bool:
        """Whether they will be written."""


class Service:
    """Answers from whatever `served` is when a request comes.

    now: event time in ms for impressions, None where it is not known yet.
    """

    def __init__(
        self, settings: ServingSettings, histories: Histories, shelf: Shelf, now: Callable[[], int | None]
    ) -> None:
        self.settings, self.histories = settings, histories
        self.served: Served | None = None
        self.state: State = NOTHING
        self.latencies = Latencies()
        self.closing = False
        self._shelf, self._now = shelf, now

    def rank(self, asked: Ranking) -> Answer:
        """The best k candidates. Raises: BadRequest: no model yet, or the answer cannot be logged."""
        served = self.served
        if served is None:
            raise BadRequest(503, "no model serves yet: the first period has not been learnt; ask again soon")
        model, standing = served.model, served.standing
        history = self.histories.of(asked.user)
        scores = model.score(asked.user, history, asked.candidates, asked.categories)
        best = np.argsort(-scores.logits, kind="stable")[: asked.k]
        items = [asked.candidates[place] for place in best.tolist()]
        chances = 1 / (1 + np.exp(-np.clip(scores.logits[best].astype(np.float64), -700, 700)))
        ids = self._log(asked, items, served) if asked.log else [None] * len(items)
        metrics.UNKNOWN_USERS.inc(scores.unknown_user)
        metrics.UNKNOWN_ITEMS.inc(scores.unknown_items)
        return Answer(
            version=standing.version,
            kind=standing.kind,
            items=list(map(Item, items, chances.tolist(), ids)),
            unknown_user=scores.unknown_user,
            unknown_items=scores.unknown_items,
        )

    def _log(self, asked: Ranking, items: list[str], served: Served) -> list[str]:
        """Ids of the impressions that `events` will be given."""
        ts = self._now()
        if ts is None:
            raise BadRequest(
                503, "nothing can be logged yet: the stream's time is unknown before its first sample"
            )
        categories = [served.model.categories_of(item, asked.categories) for item in items]
        shown = Shown(asked.user, items, categories, ts, served.standing.version).impressions()
        if not self._shelf.add(shown):
            raise BadRequest(
                503, "nothing can be logged now: Kafka takes no impressions; ask again, or without log"
            )
        return [one.impression_id for one in shown]
