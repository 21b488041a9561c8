"""A model that answers: Θ_t or Θ*_t with its catalogue, and the scores of one user's candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import embedding

from stream.samples import take_lists
from trainer.activity import INACTIVE
from trainer.batches import POOLING_EPSILON, Bags, Batch
from trainer.catalogue import Catalogue, Ints
from trainer.model import Theta, forward, initial_rows, with_slot
from trainer.settings import TrainerSettings
from trainer.vocabulary import UNKNOWN, Vocabulary


@dataclass(frozen=True, eq=False)
class Scores:
    """How one user's candidates were scored."""

    logits: npt.NDArray[np.float32]  # [n] in the candidates' order
    unknown_user: bool  # the model's user table grows and has no row for the user
    unknown_items: int  # candidates that no period of the model has seen


class Model:
    """Scores as `trainer.score.logits_of` would score the same sample; nothing in it ever changes.

    An id that a growing table has no row for is scored from the initial vector it would be trained from.
    """

    def __init__(
        self,
        theta: Theta,
        catalogue: Catalogue,
        settings: TrainerSettings,
        seed: int,
        activity: Mapping[str, npt.NDArray[np.float32]] | None = None,
    ) -> None:
        """activity: [rows, 3] of user and item table (`activity_inputs`), for a model that reads it."""
        self.theta, self.catalogue, self._activity = theta, catalogue, activity
        self._settings, self._seed = settings, seed
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
        n, ids = len(candidates), [*candidates, *history]
        with torch.inference_mode():
            user_row, new_user = _rows(self.catalogue.users, [user])
            numbers = self.catalogue.items.look_up(ids)  # [n + history]
            item_rows, new_items = self._item_rows(ids, numbers)
            rows = {"user": torch.from_numpy(user_row), "item": torch.from_numpy(item_rows)}
            tables = {
                "user": self._vectors("user", user_row, new_user),
                "item": self._vectors("item", item_rows, new_items),
            }
            category = None
            if self.catalogue.categories is not None:
                category, rows["category"], tables["category"] = self._categories(ids, numbers, given or {})
            batch = Batch(
                rows=rows,
                user=torch.zeros(n, dtype=torch.int64),
                item=torch.arange(n),
                item_row=torch.arange(len(ids)),
                category=category,
                history=_same_history(n, len(history)),
                label=torch.zeros(n),
                activity=self._activity_of(item_rows[:n], user_row),
            )
            logits: npt.NDArray[np.float32] = forward(tables, self.theta.mlp, batch).numpy()
        return Scores(logits, bool(new_user), int(np.count_nonzero(numbers[:n] == UNKNOWN)))

    def categories_of(self, item: str, given: Mapping[str, Sequence[str]]) -> Sequence[str]:
        """The names an item is shown with: those given, else the catalogue's (a hashed table has none)."""
        known = self.catalogue.categories
        if item in given or known is None or known.buckets is not None:
            return given.get(item, ())
        _, rows = self._catalogued(self.catalogue.items.look_up([item]))
        return [known.ids[row] for row in rows.tolist()]

    def _activity_of(self, items: Ints, user: Ints) -> Tensor | None:
        """[n, 6] how active the candidates and the user were in the model's period; unknown ones were not."""
        if self._activity is None:
            return None
        rows = {"item": items, "user": np.repeat(user, len(items))}
        inputs = []
        for name, mine in rows.items():
            found = self._activity[name][np.maximum(mine, 0)]
            found[mine < 0] = INACTIVE
            inputs.append(found)
        return torch.from_numpy(np.concatenate(inputs, axis=1))

    def _item_rows(self, ids: Sequence[str], numbers: Ints) -> tuple[Ints, list[str]]:
        """Rows of the item table, and the ids that have none: number -1, -2, … among the rows."""
        rows = np.full(len(ids), UNKNOWN, np.int64)
        known = numbers != UNKNOWN
        rows[known] = self.catalogue.item_row[numbers[known]]
        others = np.flatnonzero(~known)
        if len(others):
            rows[others], new = _rows(self.catalogue.item_table, [ids[place] for place in others.tolist()])
            return rows, new
        return rows, []

    def _categories(
        self, ids: Sequence[str], numbers: Ints, given: Mapping[str, Sequence[str]]
    ) -> tuple[Bags, Tensor, Tensor]:
        """The items' lists of categories, the rows they touch, and those rows' vectors."""
        assert self.catalogue.categories is not None
        offsets, rows = self._catalogued(numbers)
        new: list[str] = []
        if said := {place: given[one] for place, one in enumerate(ids) if one in given}:
            names = [name for each in said.values() for name in each]
            told, new = _rows(self.catalogue.categories, names)
            ends = np.cumsum([len(each) for each in said.values()])
            lists = np.arange(len(ids))
            lists[list(said)] = len(ids) + np.arange(len(said))
            joint = np.concatenate([offsets, offsets[-1] + ends])
            offsets, rows = take_lists(joint, np.concatenate([rows, told]), lists)
        lengths = np.diff(offsets)
        weight = np.repeat((1.0 / (lengths + POOLING_EPSILON)).astype(np.float32), lengths)
        bags = Bags(torch.arange(len(rows)), torch.from_numpy(offsets[:-1]), torch.from_numpy(weight))
        return bags, torch.from_numpy(rows), self._vectors("category", rows, new)

    def _catalogued(self, numbers: Ints) -> tuple[Ints, Ints]:
        """Offsets and category rows of item numbers, one item after the other; none of an UNKNOWN one."""
        lists = np.where(numbers == UNKNOWN, len(self.catalogue.items), numbers)
        return take_lists(self._category_offsets, self.catalogue.category, lists)

    def _vectors(self, name: str, rows: Ints, new: list[str]) -> Tensor:
        """[len(rows), e] the rows of a table, and for -1, -2, … the initial vectors of `new`."""
        table = self.theta.tables[name]
        if not new:
            return embedding(torch.from_numpy(rows), table)
        known = torch.from_numpy(rows >= 0)
        index = torch.from_numpy(rows)
        vectors = torch.empty(len(rows), table.shape[1])
        vectors[known] = table[index[known]]
        initial = initial_rows(self._settings, self._seed, name, new)
        vectors[~known] = with_slot(initial, table.shape[1])[-1 - index[~known]]
        return vectors


def _rows(column: Vocabulary, ids: Sequence[str]) -> tuple[Ints, list[str]]:
    """Rows of the ids, and those that have none: number -1, -2, … among the rows."""
    rows = column.look_up(ids)
    unknown = np.flatnonzero(rows == UNKNOWN)
    rows[unknown] = -1 - np.arange(len(unknown))
    return rows, [ids[place] for place in unknown.tolist()]


def _same_history(n: int, length: int) -> Bags:
    """n times the list of the places that follow the first n."""
    weight = np.float32(1.0 / (length + POOLING_EPSILON))
    return Bags(
        torch.arange(n, n + length).repeat(n),
        torch.arange(n) * length,
        torch.full((n * length,), float(weight)),
    )
