"""What a served version knows of users, items and categories, over memory that is only read."""

from __future__ import annotations

from dataclasses import dataclass

from serving.lexicon import Ids
from trainer.catalogue import Ints
from trainer.vocabulary import Vocabulary

#: The ids of a column: a table that grows has them, one that is hashed computes their rows.
Column = Ids | Vocabulary


@dataclass(frozen=True, eq=False)
class Catalogue:
    """As `trainer.catalogue.Catalogue`: an item's number is its place among `items`."""

    users: Column
    items: Ids
    item_table: Column
    categories: Column | None
    item_row: Ints  # [items] row of the item table
    category_offsets: Ints  # [items + 1]
    category: Ints  # rows of the category table, item after item
