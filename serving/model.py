"""A model that answers: Θ_t or Θ*_t with its catalogue, and the scores of one user's candidates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from serving.catalogue import Catalogue, Column
from serving.taste import Floats, Items, Own, Taste
from stream.samples import take_lists
from trainer.activity import INACTIVE
from trainer.catalogue import Ints
from trainer.parts import POOLING_EPSILON
from trainer.settings import TrainerSettings
from trainer.vocabulary import UNKNOWN, Vocabulary, initial_rows

#: Items that a search of the whole catalogue scores between two chances for other requests.
BLOCK = 4096


@dataclass(frozen=True, eq=False)
class Scores:
    """How one user's candidates were scored."""

    logits: npt.NDArray[np.float32]  # [n] in the candidates' order
    unknown_user: bool  # the model's user table grows and has no row for the user
    known: npt.NDArray[np.bool_]  # [n] a period of the model has seen the candidate

    @property
    def unknown_items(self) -> int:
        """Candidates scored from initial vectors."""
        return int(len(self.known) - self.known.sum())


class Model:
    """Scores as `trainer.score.logits_of` would score the same sample; nothing in it ever changes.

    An id that a growing table has no row for is scored from the initial vector it would be trained from.
    """

    def __init__(
        self,
        tables: Mapping[str, Floats],
        mlp: Mapping[str, Floats],
        catalogue: Catalogue,
        settings: TrainerSettings,
        seed: int,
        activity: Mapping[str, npt.NDArray[np.float32]] | None = None,
        own: Own | None = None,
        widths: Mapping[str, int] | None = None,
    ) -> None:
        """tables, mlp: Θ's or Θ*'s, as `trainer.model.Theta` has them. activity: [rows, 3] of user and item
        table (`activity_inputs`), for a model that reads it. own, widths: of a base of one's own, with the
        widths of its tables' rows.
        """
        self.tables, self.mlp, self.catalogue, self._activity = tables, mlp, catalogue, activity
        self._settings, self._seed = settings, seed
        # Matrix factorisation has a bias last in its rows, a generator may have put one behind the others'.
        width = settings.embedding if "kernel1" in mlp else tables["item"].shape[1] - 1
        self._own, self._widths = own, widths or dict.fromkeys(tables, width)
        # One more list, an empty one, is that of every item without a number.
        last = catalogue.category_offsets[-1:]
        self._category_offsets = np.concatenate([catalogue.category_offsets, last])

    def score(
        self,
        user: str,
        history: Sequence[str],
        candidates: Sequence[str],
        given: Mapping[str, Sequence[str]] | None = None,
    ) -> Scores:
        """Logits of n candidates for a user with this history, newest first.

        given: categories by item that count before the catalogue's, as those of a newer sample would.
        """
        ids = [*candidates, *history]
        items, numbers = self._items(ids, given or {})
        candidate, past = items.split(len(candidates))
        taste, unknown = self._taste(user, past)
        return Scores(taste.logits(candidate), unknown, numbers[: len(candidates)] != UNKNOWN)

    def search(
        self, user: str, history: Sequence[str], k: int, categories: Sequence[str] | None = None
    ) -> Iterator[Best | None]:
        """The best k items of the catalogue that the history does not hold, exactly.

        Yields None after every block of the catalogue, and what was found at last. categories: only items
        that have one of these; None: all.
        """
        past, numbers = self._items(list(history), {})
        taste, unknown = self._taste(user, past)
        wanted = None if categories is None else self._rows_of_categories(categories)
        best, logits = np.zeros(0, np.int64), np.zeros(0, np.float32)
        for begin in range(0, len(self.catalogue.items), BLOCK):
            among = np.arange(begin, min(begin + BLOCK, len(self.catalogue.items)))
            if wanted is not None:
                among = among[self._has(among, wanted)]
            among = np.setdiff1d(among, numbers)
            found = taste.logits(self._numbered(among))
            best, logits = np.concatenate([best, among]), np.concatenate([logits, found])
            first = np.argsort(-logits, kind="stable")[:k]  # of equal ones the item that was there earlier
            best, logits = best[first], logits[first]
            yield None
        yield Best(self.catalogue.items.names.take(best).to_pylist(), logits, unknown)

    def categories_of(self, item: str, given: Mapping[str, Sequence[str]]) -> Sequence[str]:
        """The names an item is shown with: those given, else the catalogue's (a hashed table has none)."""
        known = self.catalogue.categories
        if item in given or known is None or isinstance(known, Vocabulary):
            return given.get(item, ())
        _, rows = self._catalogued(self.catalogue.items.look_up([item]))
        return [known.name(row) for row in rows.tolist()]

    def _taste(self, user: str, history: Items) -> tuple[Taste, bool]:
        """The user's side, and whether the user has no row."""
        row, new = _rows(self.catalogue.users, [user])
        vector = self._vectors("user", row, new)[0]
        activity = None
        if self._activity is not None:
            activity = INACTIVE if new else self._activity["user"][row[0]]
        width = self._widths["user"]
        return Taste(self.mlp, vector, history, activity, width, self._own), bool(new)

    def _items(self, ids: Sequence[str], given: Mapping[str, Sequence[str]]) -> tuple[Items, Ints]:
        """Items by id, whatever is known of them, and their numbers [n], UNKNOWN where they have none."""
        numbers = self.catalogue.items.look_up(ids)
        rows, new = self._item_rows(ids, numbers)
        offsets, category, unseen = self._listed(ids, numbers, given)
        return self._read(rows, new, offsets, category, unseen), numbers

    def _numbered(self, numbers: Ints) -> Items:
        """Items that have numbers."""
        return self._read(self.catalogue.item_row[numbers], [], *self._catalogued(numbers), [])

    def _read(self, rows: Ints, new: list[str], offsets: Ints, category: Ints, unseen: list[str]) -> Items:
        """Items at `rows` of their table, with lists of rows of categories.

        new, unseen: items and categories that have no row: number -1, -2, … among the rows.
        """
        table, width = self._vectors("item", rows, new), self._widths["item"]
        vectors, bias = table[:, :width], None
        if table.shape[1] > width:
            bias = table[:, width]
        if self.catalogue.categories is not None:
            pooled = self._pooled(category, unseen, offsets)
            vectors = np.concatenate([vectors, pooled], axis=1)
        activity = None
        if self._activity is not None:
            activity = _taken(self._activity["item"], rows, bool(new), INACTIVE)
        return Items(vectors, bias, activity)

    def _item_rows(self, ids: Sequence[str], numbers: Ints) -> tuple[Ints, list[str]]:
        """Rows of the item table, and the ids that have none: number -1, -2, … among the rows."""
        known = numbers != UNKNOWN
        if known.all():
            return self.catalogue.item_row[numbers].astype(np.int64), []
        rows = np.full(len(ids), UNKNOWN, np.int64)
        rows[known] = self.catalogue.item_row[numbers[known]]
        others = np.flatnonzero(~known)
        rows[others], new = _rows(self.catalogue.item_table, [ids[place] for place in others.tolist()])
        return rows, new

    def _listed(
        self, ids: Sequence[str], numbers: Ints, given: Mapping[str, Sequence[str]]
    ) -> tuple[Ints, Ints, list[str]]:
        """Offsets and rows of the items' categories, and the names without a row: number -1, -2, … there."""
        offsets, rows = self._catalogued(numbers)
        said = {place: given[one] for place, one in enumerate(ids) if one in given} if given else {}
        if not said or self.catalogue.categories is None:
            return offsets, rows, []
        names = [name for each in said.values() for name in each]
        told, new = _rows(self.catalogue.categories, names)
        ends = np.cumsum([len(each) for each in said.values()])
        lists = np.arange(len(ids))
        lists[list(said)] = len(ids) + np.arange(len(said))
        joint = np.concatenate([offsets, offsets[-1] + ends])
        offsets, rows = take_lists(joint, np.concatenate([rows, told]), lists)
        return offsets, rows, new

    def _catalogued(self, numbers: Ints) -> tuple[Ints, Ints]:
        """Offsets and category rows of item numbers, one item after the other; none of an UNKNOWN one."""
        lists = np.where(numbers == UNKNOWN, len(self.catalogue.items), numbers)
        return take_lists(self._category_offsets, self.catalogue.category, lists)

    def _rows_of_categories(self, names: Sequence[str]) -> Ints:
        """Rows of the categories of these names that the model knows."""
        known = self.catalogue.categories
        if known is None:
            return np.zeros(0, np.int64)
        rows = known.look_up(names)
        found: Ints = rows[rows != UNKNOWN]
        return found

    def _has(self, numbers: Ints, wanted: Ints) -> npt.NDArray[np.bool_]:
        """[n] whether an item has one of the wanted categories."""
        offsets, rows = self._catalogued(numbers)
        hits = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.isin(rows, wanted))])
        found: npt.NDArray[np.bool_] = hits[offsets[1:]] > hits[offsets[:-1]]
        return found

    def _pooled(self, rows: Ints, new: list[str], offsets: Ints) -> Floats:
        """[n, e] the mean vector of each item's categories; zero where it has none."""
        vectors, lengths = self._vectors("category", rows, new), np.diff(offsets)
        filled = lengths > 0
        pooled = np.zeros((len(lengths), self._widths["category"]), np.float32)
        if filled.all() and len(rows) == len(lengths):
            pooled = vectors  # each has one
        elif len(rows):
            pooled[filled] = np.add.reduceat(vectors, offsets[:-1][filled], axis=0)
        pooled *= (1.0 / (lengths + POOLING_EPSILON)).astype(np.float32)[:, None]
        return pooled

    def _vectors(self, name: str, rows: Ints, new: list[str]) -> Floats:
        """[len(rows), e] the rows of a table, and for -1, -2, … the initial vectors of `new`."""
        vectors = _taken(self.tables[name], rows, bool(new), np.float32(0))  # a new id's bias is zero
        if new:
            width = None if self._own is None else self._widths[name]
            initial = initial_rows(self._settings, self._seed, name, new, width=width)
            unknown = rows < 0
            vectors[unknown, : initial.shape[1]] = initial[-1 - rows[unknown]]
        return vectors


@dataclass(frozen=True, eq=False)
class Best:
    """What a search found, best first."""

    items: list[str]
    logits: npt.NDArray[np.float32]
    unknown_user: bool


def _taken(table: Floats, rows: Ints, some_unknown: bool, unknown: Floats | np.float32) -> Floats:
    """[len(rows), width] the rows of a table; where a number is negative, `unknown`."""
    if not some_unknown:
        return table.take(rows, axis=0)
    taken = np.empty((len(rows), table.shape[1]), np.float32)
    taken[:] = unknown
    known = rows >= 0
    taken[known] = table[rows[known]]
    return taken


def _rows(column: Column, ids: Sequence[str]) -> tuple[Ints, list[str]]:
    """Rows of the ids, and those that have none: number -1, -2, … among the rows."""
    rows = column.look_up(ids)
    unknown = np.flatnonzero(rows == UNKNOWN)
    if not len(unknown):
        return rows, []
    rows[unknown] = -1 - np.arange(len(unknown))
    return rows, [ids[place] for place in unknown.tolist()]
