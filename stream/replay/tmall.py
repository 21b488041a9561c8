"""Tmall (IJCAI-15 `user_log_format1.csv`): a log of actions that knows the day but not the time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stream.replay import columns
from stream.replay.source import Choices, Rows, Source, in_order, named, split_categories

FILE = "user_log_format1.csv"

#: The log says month and day; the year it was taken in is this.
_YEAR = 2014
_DAY = 24 * 60 * 60 * 1000  # ms

#: 0 click, 1 cart, 2 purchase, 3 favourite: what is replayed unless `actions` says otherwise.
_ACTIONS = ("0",)


def read(path: Path, choices: Choices) -> Source:
    """The actions chosen, each a click; `cat_id` is the category. Looks at `actions`.

    The n actions of a day are spread over it in the order of the file, number i at i / n of the day.
    Raises: DataError.
    """
    log = columns.read(path, ["user_id", "item_id", "cat_id", "time_stamp", "action_type"])
    day = _midnights(log, "time_stamp")
    actions = choices.actions or _ACTIONS
    action = log.ids("action_type")
    wanted = np.isin(action.indices.to_numpy(), np.flatnonzero(_is_one_of(action, actions)))
    kept = pa.array(np.flatnonzero(wanted))
    category = log.ids("cat_id").take(kept)
    rows = Rows(
        user=log.ids("user_id").take(kept),
        item=log.ids("item_id").take(kept),
        categories=split_categories(category.dictionary).take(category.indices),
        ts=_spread(day[wanted]),
        clicked=None,
        impression_id=None,
    )
    return Source(named("tmall", [path], actions), in_order(rows))


def _is_one_of(action: pa.DictionaryArray, actions: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    found = pc.is_in(action.dictionary, pa.array(actions, pa.string()))
    return np.asarray(found.to_numpy(zero_copy_only=False), np.bool_)


def _midnights(log: columns.Columns, field: str) -> npt.NDArray[np.int64]:
    """The start of each row's day, in ms; the column holds month * 100 + day."""
    days, row_of, code = np.unique(log.whole_numbers(field), return_index=True, return_inverse=True)
    midnight = np.empty(len(days), np.int64)
    for index, mmdd in enumerate(days.tolist()):
        try:
            midnight[index] = datetime(_YEAR, mmdd // 100, mmdd % 100, tzinfo=UTC).timestamp() * 1000
        except ValueError:
            row = int(row_of[index])
            raise log.wrong(row, field, f"'{mmdd}' is not a day of {_YEAR} written mmdd") from None
    return midnight[code]


def _spread(midnight: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Midnights moved into their day, evenly and in the order given."""
    order = np.argsort(midnight, kind="stable")
    _, first, count = np.unique(midnight[order], return_index=True, return_counts=True)
    ts = midnight.copy()
    ts[order] += (np.arange(len(order)) - np.repeat(first, count)) * _DAY // np.repeat(count, count)
    return ts
