"""The service behind the API: the models that answer, and what else an answer needs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from serving.canary import marks, of_challenger
from serving.health import Standing
from serving.histories import Histories
from serving.impressions import Impression, Shown
from serving.line import Pause
from serving.model import Best, Model, Scores
from serving.request import BadRequest, Pairs, Ranking, Search
from serving.settings import ServingSettings
from serving.tally import Tally
from serving.telling import Teller
from stream.records import Kind

#: Seconds that who asks first for an explanation waits for the other model, and between two looks for it.
OTHER, SOON = 2.0, 0.02


class Item(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One ranked item; what a request does not ask for is left out."""

    item_id: str
    score: float  # probability of a click, as the model has it
    impression_id: str | None = None  # where the answer was logged, for its click to name
    theta: float | None = None  # explained: what Θ says
    star: float | None = None  # explained: what Θ* says
    ema: float | None = None  # explained: what the moving average says, where it serves
    known: bool | None = None  # explained: some period of the model has seen it


class Explained(msgspec.Struct, frozen=True, omit_defaults=True):
    """Versions of the two models whose scores stand side by side; None where there is no such model."""

    theta: int | None
    star: int | None
    ema: int | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A ranking, best first; items of equal score keep the request's order, or the catalogue's."""

    model_version: int
    kind: Kind
    items: list[Item]
    unknown_user: bool  # scored from the initial vector
    unknown_items: int  # candidates scored from initial vectors
    history: list[str] | None = None  # explained: what the user has taken to, newest first
    explained: Explained | None = None


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """Scores of pairs, in the request's order."""

    model_version: int
    kind: Kind
    scores: list[float]  # probabilities of a click
    unknown_users: int
    unknown_items: int


@dataclass(frozen=True, eq=False)
class Served:
    """A model in service: one reference, so that a request sees all of it or none."""

    model: Model
    standing: Standing


@dataclass(frozen=True, eq=False)
class Other:
    """A model that is there for comparisons."""

    model: Model
    kind: Kind
    version: int


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
        self.beside: Other | None = None
        self.telling = Teller().telling
        self.tally = Tally()
        self.closing = False
        self._other_by: tuple[Served, float] | None = None  # what is explained, and until when one waits
        self._shelf, self._now = shelf, now

    @property
    def ready(self) -> bool:
        """Whether a request that comes now is answered by a model."""
        return self.served is not None and not self.closing

    @property
    def awaits_other(self) -> bool:
        """Whether somebody waits for a model beside the one that serves."""
        if self._other_by is None or self.beside is not None:
            return False
        served, until = self._other_by
        return served is self.served and time.monotonic() < until

    def other(self) -> Iterator[Pause]:
        """Pauses until another model stands beside the one that serves, as an explanation needs.

        Most models are never explained, so it is loaded when it is first asked for. What has not come after
        `OTHER` seconds nobody waits for any more.
        """
        served = self.served
        if served is None or not self.settings.compare:
            return
        if self._other_by is None or self._other_by[0] is not served:
            self._other_by = served, time.monotonic() + OTHER
        while self.awaits_other:
            yield Pause(SOON)

    def rank(self, asked: Ranking) -> Answer:
        """The best k candidates. Raises: BadRequest: no model yet, or the answer cannot be logged."""
        served = self._for(asked.user)
        history = self.histories.of(asked.user)
        scores = served.model.score(asked.user, history, asked.candidates, asked.categories)
        best = np.argsort(-scores.logits, kind="stable")[: asked.k]
        items = [asked.candidates[place] for place in best.tolist()]
        chances = probabilities(scores.logits[best])
        ids = self._log(asked.user, items, asked.categories, served, chances) if asked.log else None
        self._count(scores.unknown_user, scores.unknown_items)
        answer = Answer(
            model_version=served.standing.version,
            kind=served.standing.kind,
            items=_items(items, chances, ids),
            unknown_user=scores.unknown_user,
            unknown_items=scores.unknown_items,
        )
        return self._explained(answer, asked, history, scores.known[best]) if asked.explain else answer

    def score(self, asked: Pairs) -> Scored:
        """A score per pair, by the model that serves, whoever the user. Raises: BadRequest: no model yet."""
        served = self._ready()
        logits = np.zeros(len(asked.users), np.float32)
        unknown_users = unknown_items = 0
        for user, places in _by_user(asked.users).items():
            candidates = [asked.items[place] for place in places]
            scores = served.model.score(user, self.histories.of(user), candidates, asked.categories)
            logits[places] = scores.logits
            unknown_users += scores.unknown_user
            unknown_items += scores.unknown_items
        self._count(unknown_users, unknown_items)
        return Scored(
            model_version=served.standing.version,
            kind=served.standing.kind,
            scores=probabilities(logits),
            unknown_users=unknown_users,
            unknown_items=unknown_items,
        )

    def recommend(self, asked: Search) -> Iterator[Answer | None]:
        """The best k of the whole catalogue that the user's history does not hold; before it, None after
        every part of the catalogue. Raises: BadRequest: no model yet, or the answer cannot be logged.
        """
        served = self._for(asked.user)
        history = self.histories.of(asked.user)
        found: Best | None = None
        for found in served.model.search(asked.user, history, asked.k, asked.categories):
            if found is None:
                yield None
        assert found is not None
        chances = probabilities(found.logits)
        ids = self._log(asked.user, found.items, {}, served, chances) if asked.log else None
        self._count(found.unknown_user, 0)
        yield Answer(
            model_version=served.standing.version,
            kind=served.standing.kind,
            items=_items(found.items, chances, ids),
            unknown_user=found.unknown_user,
            unknown_items=0,
        )

    def _ready(self) -> Served:
        if self.served is None:
            raise BadRequest(503, "no model serves yet: the first period has not been learnt; ask again soon")
        return self.served

    def _for(self, user: str) -> Served:
        """What answers this user: the model that serves, or, of a user in the canary, the other of its
        version while it is there and no operator holds. Raises: BadRequest: no model yet.
        """
        served, other, share = self._ready(), self.beside, self.settings.canary
        standing = served.standing
        if (
            share == 0
            or standing.held
            or other is None
            or other.kind == standing.kind
            or other.version != standing.version
        ):
            return served
        if not of_challenger(user, share):
            return served
        return Served(other.model, msgspec.structs.replace(standing, kind=other.kind))

    def _count(self, unknown_users: int, unknown_items: int) -> None:
        self.tally.unknown["users"] += unknown_users
        self.tally.unknown["items"] += unknown_items

    def _explained(
        self, answer: Answer, asked: Ranking, history: Sequence[str], known: npt.NDArray[np.bool_]
    ) -> Answer:
        """The answer with the scores of what serves and of what stands beside it."""
        items = [one.item_id for one in answer.items]
        scores: dict[Kind, list[float]] = {answer.kind: [one.score for one in answer.items]}
        versions: dict[Kind, int] = {answer.kind: answer.model_version}
        if (other := self._beside(answer.kind)) is not None:
            said: Scores = other.model.score(asked.user, history, items, asked.categories)
            scores[other.kind], versions[other.kind] = probabilities(said.logits), other.version
        replace = msgspec.structs.replace
        return replace(
            answer,
            items=[
                replace(one, known=seen, **{kind: each[place] for kind, each in scores.items()})
                for place, (one, seen) in enumerate(zip(answer.items, known.tolist(), strict=True))
            ],
            history=list(history),
            explained=Explained(versions.get("theta"), versions.get("star"), versions.get("ema")),
        )

    def _beside(self, kind: Kind) -> Other | None:
        """The model of the other kind: who is in the canary was answered by the one that stands beside."""
        if (served := self.served) is not None and served.standing.kind != kind:
            return Other(served.model, served.standing.kind, served.standing.version)
        return self.beside if self.beside is not None and self.beside.kind != kind else None

    def _log(
        self,
        user: str,
        items: list[str],
        given: Mapping[str, Sequence[str]],
        served: Served,
        chances: Sequence[float],
    ) -> list[str]:
        """Ids of the impressions that `events` will be given."""
        ts = self._now()
        if ts is None:
            raise BadRequest(
                503, "nothing can be logged yet: the stream's time is unknown before its first sample"
            )
        categories = [served.model.categories_of(item, given) for item in items]
        standing = served.standing
        ends = marks(standing.kind, standing.version, chances) if self.settings.canary > 0 else None
        shown = Shown(user, items, categories, ts, standing.version, ends).impressions()
        if not self._shelf.add(shown):
            raise BadRequest(
                503, "nothing can be logged now: Kafka takes no impressions; ask again, or without log"
            )
        return [one.impression_id for one in shown]


def probabilities(logits: npt.NDArray[np.float32]) -> list[float]:
    """σ of each."""
    chances: list[float] = (1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -700, 700)))).tolist()
    return chances


def _items(items: Sequence[str], chances: Sequence[float], ids: Sequence[str] | None) -> list[Item]:
    return [
        Item(item_id=item, score=chance, impression_id=ids[place] if ids else None)
        for place, (item, chance) in enumerate(zip(items, chances, strict=True))
    ]


def _by_user(users: Sequence[str]) -> dict[str, list[int]]:
    """Places by user, in order of first appearance."""
    found: dict[str, list[int]] = {}
    for place, user in enumerate(users):
        found.setdefault(user, []).append(place)
    return found
