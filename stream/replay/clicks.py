"""Any log of clicks: `user_id,item_id,timestamp[,categories][,label]` as CSV, gzipped CSV or Parquet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stream.replay import columns
from stream.replay.source import (
    Choices,
    Rows,
    Source,
    as_categories,
    in_order,
    list_of_none,
    named,
    split_categories,
)

SUFFIXES = (".csv", ".csv.gz", ".parquet")


def read(path: Path, choices: Choices) -> Source:  # noqa: ARG001 every reader is called alike
    """Each row a click; with a column `label` each row an impression, with label 1 a click as well.

    Impressions are named by the row they stand in, from 0. Raises: DataError.
    """
    log = columns.read(path, ["user_id", "item_id", "timestamp"], ["categories", "label"])
    clicked = log.labels("label") if log.has("label") else None
    rows = Rows(
        user=log.ids("user_id"),
        item=log.ids("item_id"),
        categories=_categories(log) if log.has("categories") else list_of_none(len(log)),
        ts=log.times("timestamp"),
        clicked=clicked,
        impression_id=None if clicked is None else pa.array(np.arange(len(log))).cast(pa.string()),
    )
    return Source(named("clicks", [path], []), in_order(rows))


def _categories(log: columns.Columns) -> pa.ListArray:
    found = log.categories("categories")
    if pa.types.is_list(found.type):
        return as_categories(found)
    joined = pc.dictionary_encode(found)
    return split_categories(joined.dictionary).take(joined.indices)
