"""The base model from one period to the next: all of the trainer's work that touches nothing outside."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import torch

from stream.errors import ConfigurationError
from stream.samples import Samples
from trainer.activity import Activity, activity_after
from trainer.adam import grown_moments, zero_moments
from trainer.batches import Examples, make_examples
from trainer.catalogue import Catalogue
from trainer.leaving import Moved, Stay, leave, staying
from trainer.model import grown, initial_theta, table_width
from trainer.own import own_base
from trainer.parts import Parts, activity_of
from trainer.score import Score, score
from trainer.settings import FACTORISED, TrainerSettings
from trainer.snapshot import Snapshot, read_catalogue, read_snapshot, snapshot_parts
from trainer.strategies.contract import Lesson
from trainer.strategies.names import strategy_of


@dataclass(frozen=True, eq=False)
class Period:
    """D_t as the trainer has read it."""

    number: int
    samples: Samples  # in Order
    examples: Examples
    stay: Stay | None = None  # who stayed at its start; None: all


@dataclass(frozen=True, eq=False)
class PastPeriod:
    """What a restart needs of one earlier period i: its samples, and the parts of its Θ_i."""

    number: int
    samples: Samples  # in Order
    theta: Parts
    forgotten: Collection[str] = ()  # digests of the users who were forgotten at its start


class BaseModel:
    """Θ from period to period: `read` D_t, `score` Θ_{t-1} on it, `learn` Θ_t, in this order.

    A function of settings, seed and the periods read: a model restored from the parts of Θ_{t-1} goes on
    bit for bit as the one that wrote them.
    """

    def __init__(
        self,
        settings: TrainerSettings,
        seed: int,
        device: torch.device,
        snapshot: Snapshot,
        catalogue: Catalogue,
    ) -> None:
        self.settings, self.seed, self.device = settings, seed, device
        self.snapshot = snapshot.to(device)
        self.catalogue = catalogue
        self.strategy = strategy_of(settings, seed)
        self.past: deque[Examples] = deque(maxlen=self.strategy.reach - 1)  # …, D_{t-1}

    @classmethod
    def begin(cls, settings: TrainerSettings, seed: int, device: torch.device, first: Samples) -> BaseModel:
        """Θ_0, which D_1 (`first`) tells whether to have categories; it is not read yet."""
        catalogue = Catalogue(settings, uses_categories(settings, first))
        theta = initial_theta(catalogue.columns(), settings, seed)
        return cls(settings, seed, device, Snapshot(theta, zero_moments(theta.named()), {}), catalogue)

    @classmethod
    def restore(cls, settings: TrainerSettings, seed: int, device: torch.device, parts: Parts) -> BaseModel:
        """The model as it was when it gave these parts; errors as of `read_snapshot` and `read_catalogue`."""
        snapshot = read_snapshot(parts, settings)
        width, stored = table_width(settings), snapshot.theta.tables["item"].shape[1]
        if stored != width and snapshot.theta.own is None:
            raise ConfigurationError(
                f"with trainer.embedding {settings.embedding} and strategy {settings.strategy} tables are "
                f"{width} wide, the stored model's {stored}; keep both settings as they were"
            )
        model = cls(settings, seed, device, snapshot, read_catalogue(parts, settings))
        model.strategy.restore(parts)
        return model

    def recall(self, past: Sequence[PastPeriod]) -> None:
        """The data of the last periods, consecutive and up to that of the parts, after `restore`."""
        before: tuple[Catalogue, Mapping[str, Activity]] | None = None
        for one in past:
            catalogue = read_catalogue(one.theta, self.settings)
            if before is not None:
                if stay := self._staying(*before, one.number, one.forgotten):
                    leave(before[0], stay)
                    self.past = deque(map(stay.examples, self.past), self.past.maxlen)
                if moved := Moved.between(before[0].users.ids, catalogue.users.ids, self.settings, self.seed):
                    self.past = deque(map(moved.examples, self.past), self.past.maxlen)
            self.past.append(self._examples(one.number, one.samples, catalogue, None))
            before = catalogue, activity_of(one.theta)

    def read(self, number: int, samples: Samples, forgotten: Collection[str] = ()) -> Period:
        """D_t: its new ids get rows at their initial vectors, its clicks their drawn negatives.

        Before them ids leave that are idle, and users who are forgotten, by their digests.
        """
        stay = self._staying(self.catalogue, self.snapshot.activity, number, forgotten)
        if stay is not None:
            self._leave(stay)
        self.catalogue.extend(samples)
        self.catalogue.mark(samples, number)
        theta = grown(self.snapshot.theta, self.catalogue.columns(), self.settings, self.seed)
        moments = grown_moments(self.snapshot.moments, theta.named())
        self.snapshot = Snapshot(theta, moments, self.snapshot.activity)
        before = self.snapshot.activity if self.settings.strategy == "iu-activity" else None
        return Period(number, samples, self._examples(number, samples, self.catalogue, before), stay)

    def score(self, period: Period) -> Score:
        """Prequential AUC and LogLoss of Θ_{t-1} on D_t."""
        return score(self.snapshot.theta, period.examples, self.catalogue)

    def learn(self, period: Period) -> None:
        """Θ_t in place of Θ_{t-1}."""
        before = self.snapshot
        theta, moments = self.strategy.learn(
            Lesson(
                before.theta,
                before.moments,
                period.examples,
                list(self.past),
                self.catalogue,
                self.settings,
                self.seed,
            )
        )
        self.past.append(period.examples)
        activity = activity_after(period.samples, self.catalogue, period.number, before.activity)
        self.snapshot = Snapshot(theta, moments, activity)

    def parts(self) -> dict[str, pa.Table]:
        """Θ_t for the store, and what its strategy remembers."""
        return snapshot_parts(self.snapshot, self.catalogue, self.settings) | self.strategy.parts()

    def _staying(
        self,
        catalogue: Catalogue,
        activity: Mapping[str, Activity],
        number: int,
        forgotten: Collection[str],
    ) -> Stay | None:
        return staying(catalogue, activity, number, self.settings.forget_after, forgotten)

    def _leave(self, stay: Stay) -> None:
        leave(self.catalogue, stay)
        self.snapshot = Snapshot(
            stay.theta(self.snapshot.theta),
            stay.moments(self.snapshot.moments),
            stay.activity(self.snapshot.activity),
        )
        self.past = deque(map(stay.examples, self.past), self.past.maxlen)
        self.strategy.keep(stay)

    def _examples(
        self, number: int, samples: Samples, catalogue: Catalogue, before: Mapping[str, Activity] | None
    ) -> Examples:
        negatives, draw = self.settings.negatives, self.settings.negative_draw
        return make_examples(samples, catalogue, number, self.seed, negatives, before, draw)


def uses_categories(settings: TrainerSettings, first: Samples) -> bool:
    """Whether the model has categories: as set, or as D_1 has any; matrix factorisation has none, nor a base
    of one's own that has no table for them.
    """
    wanted = settings.categories == "yes" or (settings.categories == "auto" and len(first.category) > 0)
    if not wanted or settings.strategy == FACTORISED:
        return False
    own = own_base(settings, with_categories=True)
    return own is None or "category" in own.tables
