"""What has been seen so far: users, items with their categories, and the table rows all of them have."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stream.samples import Samples, take_lists
from trainer.settings import TrainerSettings, buckets_of
from trainer.vocabulary import Vocabulary

Ints = npt.NDArray[np.int64]


class Catalogue:
    """The vocabularies after some period, extended by D_t as it is read.

    An item's *number* is its place in order of first appearance, whatever its table does; its *row* is that
    number where the table grows, and its id's hash where it is hashed. Categories belong to numbers.
    """

    def __init__(self, settings: TrainerSettings, with_categories: bool) -> None:
        self.users = Vocabulary("user", buckets_of(settings.user_rows))
        self.items = Vocabulary("item")
        hashed = buckets_of(settings.item_rows)
        self.item_table = self.items if hashed is None else Vocabulary("item", hashed)
        self.categories = (
            Vocabulary("category", buckets_of(settings.category_rows)) if with_categories else None
        )
        self.item_row: Ints = np.zeros(0, np.int64)  # [items] row of the item table
        self.category_offsets: Ints = np.zeros(1, np.int64)  # [items + 1]
        self.category: Ints = np.zeros(0, np.int64)  # rows of the category table, item after item
        #: [items] the last period with a sample that names it, as its item or in its history; where ids leave
        self.named_in: Ints | None = None if settings.forget_after is None else np.zeros(0, np.int64)

    def table_rows(self) -> dict[str, int]:
        """Rows of each table: user, item and, where there are categories, category."""
        return {name: len(column) for name, column in self.columns().items()}

    def columns(self) -> dict[str, Vocabulary]:
        """The vocabulary behind each table."""
        columns = {"user": self.users, "item": self.item_table}
        return columns if self.categories is None else columns | {"category": self.categories}

    def extend(self, samples: Samples) -> None:
        """Admit what D_t (in Order) shows for the first time; targets before what only histories hold.

        An item's categories become those of its latest sample that has any.
        """
        self.users.admit(_in_order(samples.users, samples.user))
        self.items.admit(_in_order(samples.items, np.concatenate([samples.item, samples.history])))
        self._admit_rows(len(self.items) - len(self.item_row))
        if self.categories is not None:
            self.categories.admit(_in_order(samples.categories, samples.category))
            self._recategorise(samples)

    def mark(self, samples: Samples, period: int) -> None:
        """Note which items D_t, by which it was extended, names; where ids do not leave, nothing is noted."""
        if self.named_in is None:
            return
        codes = np.unique(np.concatenate([samples.item, samples.history]))
        before, self.named_in = self.named_in, np.zeros(len(self.items), np.int64)
        self.named_in[: len(before)] = before
        self.named_in[look_up_codes(self.items, samples.items, codes)] = period

    def keep(self, rows: Mapping[str, Ints], items: Ints | None) -> None:
        """Only these rows of the tables user and category, and these items, stay (`trainer.leaving`)."""
        if "user" in rows:
            self.users.keep(rows["user"])
        if items is not None:
            self.items.keep(items)
            grows = self.item_table is self.items
            self.item_row = np.arange(len(items)) if grows else self.item_row[items]
            self.category_offsets, self.category = self.categories_of(items)
            self.named_in = None if self.named_in is None else self.named_in[items]
        if "category" in rows:
            assert self.categories is not None
            self.category = np.searchsorted(rows["category"], self.category)
            self.categories.keep(rows["category"])

    def restore(self, items: list[str], offsets: Ints, category: Ints, named_in: Ints | None = None) -> None:
        """Take the items of a snapshot, their numbers as listed and their categories as given."""
        self.items.admit(items)
        self._admit_rows(len(items))
        self.category_offsets, self.category = offsets, category
        self.named_in = named_in

    def categories_of(self, items: Ints) -> tuple[Ints, Ints]:
        """Offsets [len(items) + 1] and category rows of these item numbers, one item after the other."""
        return take_lists(self.category_offsets, self.category, items)

    def _admit_rows(self, new: int) -> None:
        ids = self.items.ids[len(self.items) - new :]
        self.item_row = np.concatenate([self.item_row, self.item_table.look_up(ids)])
        last = np.full(new, self.category_offsets[-1])
        self.category_offsets = np.concatenate([self.category_offsets, last])

    def _recategorise(self, samples: Samples) -> None:
        assert self.categories is not None
        rows = np.flatnonzero(np.diff(samples.category_offsets))
        codes, latest = np.unique(samples.item[rows][::-1], return_index=True)
        rows = rows[::-1][latest]
        numbers = look_up_codes(self.items, samples.items, codes)
        category = look_up_codes(self.categories, samples.categories, samples.category)
        offsets, values = take_lists(samples.category_offsets, category, rows)

        # All lists, old then new, and for each item the one that counts.
        known = len(self.items)
        which = np.arange(known)
        which[numbers] = known + np.arange(len(numbers))
        joint = np.concatenate([self.category_offsets, self.category_offsets[-1] + offsets[1:]])
        self.category_offsets, self.category = take_lists(
            joint, np.concatenate([self.category, values]), which
        )


def look_up_codes(column: Vocabulary, dictionary: pa.StringArray, codes: npt.NDArray[np.integer]) -> Ints:
    """Rows of the ids that `codes` stand for in `dictionary`; each id is looked up once."""
    used, inverse = np.unique(codes, return_inverse=True)
    return column.look_up(dictionary.take(pa.array(used)).to_pylist())[inverse]


def _in_order(dictionary: pa.StringArray, codes: npt.NDArray[np.integer]) -> list[str]:
    """The ids that `codes` stand for, each once, in order of first appearance."""
    used, first = np.unique(codes, return_index=True)
    ids: list[str] = dictionary.take(pa.array(used[np.argsort(first)])).to_pylist()
    return ids
