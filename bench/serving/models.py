"""A shop's models, one larger than the other, in a store, and the words that bring them into service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import torch

from stream import kafka
from stream.records import Announcement, History, Kind, Manifest, Score, Serve, encode, now
from stream.replay.encode import partition_of
from stream.samples import HISTORY
from stream.store import Store
from stream.topics import Topics
from trainer.activity import Activity
from trainer.catalogue import Catalogue
from trainer.kafka import put_all
from trainer.lineage import name_of
from trainer.model import Theta, initial_mlp
from trainer.settings import TrainerSettings
from trainer.snapshot import model_parts

#: Users and items that each version knows more than the one before, of those that are made.
NEW_USERS, NEW_ITEMS = 600, 150


@dataclass(frozen=True)
class Shape:
    """How large the first version is."""

    users: int
    items: int
    categories: int


def user(number: int) -> str:
    """The id of a user."""
    return f"user-{number}"


def item(number: int) -> str:
    """The id of an item."""
    return f"item-{number}"


def made(shape: Shape, version: int, settings: TrainerSettings, seed: int) -> dict[str, pa.Table]:
    """Parts of a version as metagen publishes them: random, of the default form, with all that is read."""
    random = np.random.default_rng((seed, version))
    users, items = shape.users + version * NEW_USERS, shape.items + version * NEW_ITEMS
    catalogue = Catalogue(settings, with_categories=True)
    assert catalogue.categories is not None
    catalogue.users.admit(map(user, range(users)))
    catalogue.categories.admit(f"category-{one}" for one in range(shape.categories))
    names = list(map(item, range(items)))
    catalogue.restore(names, np.arange(items + 1), np.arange(items) % shape.categories)
    width = settings.embedding
    rows = {"user": (users, width + 1), "item": (items, width + 1), "category": (shape.categories, width)}
    tables = {
        name: torch.from_numpy(random.normal(0, 0.1, one).astype(np.float32)) for name, one in rows.items()
    }
    activity = {name: _activity(random, len(table), version) for name, table in tables.items()}
    return model_parts(Theta(tables, initial_mlp(settings, seed, True)), catalogue, activity)


def _activity(random: np.random.Generator, rows: int, version: int) -> Activity:
    positives = random.poisson(1.0, rows)
    return Activity(positives, positives * 2, positives * 3, np.full(rows, version))


@dataclass
class Shop:
    """What trainer and metagen would write: version after version."""

    broker: Mapping[str, object]
    topics: Topics
    store: Store
    settings: TrainerSettings
    shape: Shape
    seed: int
    variants: int  # versions of other parts; then they come again under new numbers
    version: int = 0
    _parts: list[dict[str, str]] = field(default_factory=list)
    _parent: str = ""

    def __post_init__(self) -> None:
        self._writer = kafka.Writer(self.broker)
        for variant in range(self.variants):
            parts = made(self.shape, variant, self.settings, self.seed)
            self._parts.append(put_all(self.store, parts))
        self._close(0)

    def histories(self, users: int) -> None:
        """Tell the histories of the first users: as long as they get."""
        random = np.random.default_rng(self.seed)
        names = list(map(user, range(users)))
        places = partition_of(pa.array(names), 1).tolist()
        for name, place in zip(names, places, strict=True):
            items = list(map(item, random.integers(0, self.shape.items, HISTORY).tolist()))
            record = encode(History(items=items, times=list(range(HISTORY, 0, -1))))
            self._writer.write(self.topics.histories, record, key=name.encode(), partition=place)
        self._writer.flush()

    def next(self, kind: Kind = "star", reason: str = "bench") -> int:
        """Close a period, announce its Θ and Θ* and say which of them to serve; the period's number."""
        self.version += 1
        closed = self._close(self.version)
        kinds: tuple[Kind, ...] = ("theta", "star")
        for one in kinds:
            model = Announcement(
                kind=one,
                version=self.version,
                parts=self.parts_of(self.version, one),
                parents={f"period/{self.version}": closed.hash()},
                score=Score(auc=0.7, logloss=0.6, rows=closed.count),
                announced_at=now(),
            )
            self._writer.write(self.topics.models, encode(model), key=name_of(model).encode())
        self.say(Serve(period=self.version, kind=kind, version=self.version, reason=reason))
        return self.version

    def parts_of(self, version: int, kind: Kind) -> dict[str, str]:
        """Names of a model's parts: the Θ* of a version is the Θ of the next."""
        return self._parts[(version + (kind == "star")) % len(self._parts)]

    def say(self, word: Serve) -> None:
        """Write a word of the gate's, or an operator's."""
        key = "operator" if word.held_by else str(word.period)
        self._writer.write(self.topics.serve, encode(word), key=key.encode())
        self._writer.flush()

    def _close(self, period: int) -> Manifest:
        manifest = Manifest(
            period=period,
            parent=self._parent,
            reason="count" if period else "settings",
            count=1000 if period else 0,
            counts={"used": 1000 * period, "produced": 1000 * period},
            opened_at=now(),
            closed_at=now(),
            last_event_at=now(),
        )
        self._parent = manifest.hash()
        self._writer.write(self.topics.periods, encode(manifest))
        return manifest
