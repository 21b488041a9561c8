"""Ids that leave the tables at the start of a period, and all that counts by their rows without them.

An id leaves that no sample has named for `trainer.forget_after` periods, or whose user was forgotten by an
operator. What stays keeps its order and moves up; rows that come later are appended as ever. So the rows of
Θ_{t-1} that stay are the first rows of Θ_t, and where each went is told by Θ_{t-1} and period t alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from stream.forgotten import named
from trainer.activity import Activity
from trainer.adam import Moments
from trainer.batches import Examples
from trainer.catalogue import Catalogue, Ints
from trainer.model import Theta, initial_table, with_slot
from trainer.settings import TrainerSettings
from trainer.vocabulary import UNKNOWN


@dataclass(frozen=True, eq=False)
class Kept:
    """Which of `of` rows stay."""

    rows: Ints  # ascending
    of: int

    @property
    def places(self) -> Ints:
        """[of] where each row is afterwards, UNKNOWN of one that leaves."""
        places = np.full(self.of, UNKNOWN, np.int64)
        places[self.rows] = np.arange(len(self.rows))
        return places

    def first(self, rows: int) -> Ints:
        """Those that stay of the first `rows`, all that an older model has."""
        return self.rows[: np.searchsorted(self.rows, rows)]


@dataclass(frozen=True, eq=False)
class Stay:
    """What stays of the tables that some rows leave, by name, and of the items, by number."""

    rows: Mapping[str, Kept]
    items: Kept | None  # None: all

    def theta(self, theta: Theta) -> Theta:
        """A model without the rows that leave."""
        return replace(theta, tables=self.tensors(theta.tables))

    def moments(self, moments: Moments) -> Moments:
        """Adam's moments of what stays, the MLP's among them."""
        return Moments(self.tensors(moments.m), self.tensors(moments.v), moments.step)

    def tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """[rows, …] of each table without the rows that leave; what is no table's as it is."""
        return {
            name: one[torch.from_numpy(self.rows[name].first(len(one))).to(one.device)]
            if name in self.rows
            else one
            for name, one in tensors.items()
        }

    def activity(self, activity: Mapping[str, Activity]) -> dict[str, Activity]:
        """Counts of the rows that stay."""
        return {
            name: Activity(
                *(getattr(one, field.name)[self.rows[name].first(len(one))] for field in fields(one))
            )
            if name in self.rows
            else one
            for name, one in activity.items()
        }

    def examples(self, examples: Examples) -> Examples:
        """Those whose user and item stay, and of their histories the items that stay.

        It is drawn negatives that go, whose item was idle, and what is left of a user who was forgotten.
        """
        user, item, history = examples.user, examples.item, examples.history
        if "user" in self.rows:
            user = self.rows["user"].places[user]
        if self.items is not None:
            places = self.items.places
            item, history = places[item], places[history]
        stays = history != UNKNOWN
        before = np.concatenate([np.zeros(1, np.int64), np.cumsum(stays)])
        moved = replace(
            examples,
            user=user,
            item=item,
            history_offsets=before[examples.history_offsets],
            history=history[stays],
        )
        return moved.known()


@dataclass(frozen=True, eq=False)
class Moved:
    """From the rows of a growing table of users to those that another model has.

    Models that users were taken out of (`asmg forget`) may stand beside models that have them still, or have
    them again as new ones.
    """

    rows: Ints  # [users] where each of the other model's was, UNKNOWN of one that was not there
    of: int  # rows there were
    users: Sequence[str]
    settings: TrainerSettings
    seed: int

    @classmethod
    def between(
        cls, before: Sequence[str], after: Sequence[str], settings: TrainerSettings, seed: int
    ) -> Moved | None:
        """None where the second goes on from the first, as models of one line do."""
        if after[: len(before)] == before:
            return None
        known = {one: row for row, one in enumerate(before)}
        rows = np.fromiter((known.get(one, UNKNOWN) for one in after), np.int64, len(after))
        return cls(rows, len(before), after, settings, seed)

    def theta(self, theta: Theta) -> Theta:
        """A model over the other one's users, at their initial vectors where it had none."""
        table, width = theta.tables["user"], None if theta.own is None else theta.own.tables["user"]
        new = initial_table(self.settings, self.seed, "user", list(self.users), None, width).to(table.device)
        filled = self._filled(with_slot(new, table.shape[1]), table)
        return replace(theta, tables={**theta.tables, "user": filled})

    def tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """[users, …] of the table of users, as of hidden states: zero where there was none."""
        if "user" not in tensors:
            return dict(tensors)
        one = tensors["user"]
        return {**tensors, "user": self._filled(one.new_zeros(len(self.rows), *one.shape[1:]), one)}

    def activity(self, activity: Mapping[str, Activity]) -> dict[str, Activity]:
        """Counts of the other one's users."""
        one = activity["user"]
        there = (self.rows != UNKNOWN) & (self.rows < len(one))
        columns = [np.where(there, getattr(one, field.name)[self.rows * there], 0) for field in fields(one)]
        return {**activity, "user": Activity(*columns)}

    def examples(self, examples: Examples) -> Examples:
        """Those of users whom the other model has."""
        places = np.full(self.of, UNKNOWN, np.int64)
        there = np.flatnonzero(self.rows != UNKNOWN)
        places[self.rows[there]] = there
        return replace(examples, user=places[examples.user]).known()

    def _filled(self, new: Tensor, table: Tensor) -> Tensor:
        there = np.flatnonzero((self.rows != UNKNOWN) & (self.rows < len(table)))
        new[torch.from_numpy(there)] = table[torch.from_numpy(self.rows[there])]
        return new


def staying(
    catalogue: Catalogue,
    activity: Mapping[str, Activity],
    period: int,
    after: int | None,
    forgotten: Collection[str] = (),
) -> Stay | None:
    """Who stays at the start of `period`, by the catalogue and the activity of the one before; None: all.

    after: periods for which an id was named by no sample, as user, as item, in a history or as a category of
    a sample, when it leaves; a category that an item has which stays does not. forgotten: digests of users.
    """
    rows: dict[str, Kept] = {}
    if not activity or (after is None and not forgotten):
        return None
    users = catalogue.users
    if users.buckets is None:
        stays = _lately(activity["user"].last_seen, period, after)
        if forgotten:
            stays &= ~named(users.ids, forgotten)
        _note(rows, "user", stays)
    items: Kept | None = None
    if after is not None and catalogue.named_in is not None:
        stays = _lately(catalogue.named_in, period, after)
        if not stays.all():
            items = Kept(np.flatnonzero(stays), len(stays))
            if catalogue.item_table.buckets is None:
                rows["item"] = items
        if catalogue.categories is not None and catalogue.categories.buckets is None:
            had = catalogue.categories_of(np.flatnonzero(stays))[1]
            stays = _lately(activity["category"].last_seen, period, after)
            stays[had] = True
            _note(rows, "category", stays)
    return Stay(rows, items) if rows or items is not None else None


def leave(catalogue: Catalogue, stay: Stay) -> None:
    """Takes those that do not stay out of the catalogue."""
    catalogue.keep(
        {name: kept.rows for name, kept in stay.rows.items() if name != "item"},
        None if stay.items is None else stay.items.rows,
    )


def _lately(last_seen: Ints, period: int, after: int | None) -> npt.NDArray[np.bool_]:
    if after is None:
        return np.ones(len(last_seen), np.bool_)
    stays: npt.NDArray[np.bool_] = last_seen >= period - after
    return stays


def _note(rows: dict[str, Kept], name: str, stays: npt.NDArray[np.bool_]) -> None:
    if not stays.all():
        rows[name] = Kept(np.flatnonzero(stays), len(stays))
