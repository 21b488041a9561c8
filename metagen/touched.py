"""The rows that a period's training touches, found once: all of it works on these and on nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from trainer.batches import Examples
from trainer.catalogue import Catalogue, Ints
from trainer.device import on_device
from trainer.distinct import Distinct


@dataclass(frozen=True, eq=False)
class Touched:
    """What some period sets read, numbered anew from 0: rows of each table, items, the sets themselves."""

    rows: dict[str, torch.Tensor]  # table -> [touched] rows of the table, ascending, each once
    sets: list[Examples]  # `user`: places in rows["user"]; `item` and `history`: numbers from 0
    item_row: Ints  # [items] places in rows["item"]
    category_offsets: Ints  # [items + 1]; empty where there are no categories
    category: Ints  # places in rows["category"]

    @classmethod
    def of(
        cls, data: Sequence[Examples], catalogue: Catalogue, device: torch.device | None = None
    ) -> Touched:
        """Time and memory follow the examples, whatever the tables' size."""
        users, user = _numbered([one.user for one in data])
        items, item = _numbered([part for one in data for part in (one.item, one.history)])
        item_rows, (item_row,) = _numbered([catalogue.item_row[items]])
        rows = {"user": users, "item": item_rows}
        offsets, category = np.zeros(0, np.int64), np.zeros(0, np.int64)
        if catalogue.categories is not None:
            offsets, values = catalogue.categories_of(items)
            rows["category"], (category,) = _numbered([values])
        sets = [
            replace(one, user=user[i], item=item[2 * i], history=item[2 * i + 1])
            for i, one in enumerate(data)
        ]
        tensors = {name: on_device(one, device) for name, one in rows.items()}
        return cls(tensors, sets, item_row, offsets, category)

    def of_table(self, tables: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """[touched, …] the rows of each table that has any; others as they are."""
        return {
            name: table.index_select(0, self.rows[name]) if name in self.rows else table
            for name, table in tables.items()
        }


def _numbered(parts: Sequence[Ints]) -> tuple[Ints, list[Ints]]:
    """The values that occur, ascending, and each part with their places in place of them."""
    values, places = Distinct(*parts)(np.concatenate(parts))
    return values, np.split(places, np.cumsum([len(part) for part in parts])[:-1])
