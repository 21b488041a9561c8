"""The contract of a replay: a table of numbered events in the order of event time, and its name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stream.errors import ConfigurationError, DataError

#: Values of the column `kind`. An impression sorts before a click of the same time.
IMPRESSION, CLICK = 0, 1

#: Ids as codes into dictionaries, so that what depends on the id alone (its JSON, its partition)
#: is worked out once an id and not once an event.
EVENTS = pa.schema(
    [
        pa.field("kind", pa.int8(), nullable=False),
        pa.field("impression_id", pa.string()),  # null: a click that came without an impression
        pa.field("user_id", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("item_id", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("categories", pa.list_(pa.dictionary(pa.int32(), pa.string())), nullable=False),
        pa.field("ts", pa.int64(), nullable=False),  # ms since 1970, event time
    ]
)

#: Part of every fingerprint: raise it when a reader makes other rows of the same input.
_FORMAT = 1

#: How much of a file is hashed at a time, in bytes.
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Choices:
    """What a reader leaves open; each reader says which of these it looks at."""

    threshold: float = 4.0  # movielens: a rating from here on is a click
    actions: tuple[str, ...] | None = None  # tmall, sobazaar: these alone; None is the reader's default
    seed: int = 0  # synthetic
    events: int = 300_000  # synthetic: about as many impressions and clicks together
    since: date | None = None  # all: events from the start of this day (UTC)
    until: date | None = None  # all: events before the start of this day (UTC)


@dataclass(frozen=True, eq=False)
class Source:
    """Events whose row index, with the name, identifies each of them for ever."""

    name: str  # dataset, dash, 16 hex digits that change with the input and with every choice
    events: pa.Table  # of EVENTS, one chunk, by ts; ties as in the file, an impression before its click

    def __len__(self) -> int:
        return int(self.events.num_rows)

    @property
    def samples(self) -> int:
        """How many samples the events make: impressions, and clicks that came without one."""
        clicks = int(np.count_nonzero(self.events["kind"].to_numpy()))
        return len(self) - clicks + int(self.events["impression_id"].null_count)


@dataclass(frozen=True, eq=False)
class Rows:
    """What a reader found, n rows in the order of the file."""

    user: pa.DictionaryArray  # [n] of strings
    item: pa.DictionaryArray  # [n] of strings
    categories: pa.ListArray  # [n] of lists of dictionary strings
    ts: npt.NDArray[np.int64]  # [n] ms
    clicked: npt.NDArray[np.bool_] | None  # [n] each row an impression, clicked or not; None: each a click
    impression_id: pa.StringArray | None  # [n] where rows are impressions


def in_order(rows: Rows) -> pa.Table:
    """The events of `EVENTS` that the rows stand for, sorted by ts; ties keep the order of the file."""
    if rows.clicked is None:
        kind = np.full(len(rows.ts), CLICK, np.int8)
        row = np.arange(len(rows.ts))
        impression_id: pa.Array = pa.nulls(len(row), pa.string())
    else:
        row = np.repeat(np.arange(len(rows.ts)), 1 + rows.clicked.astype(np.int64))
        kind = np.concatenate([[False], row[1:] == row[:-1]])[: len(row)].astype(np.int8)
        impression_id = rows.impression_id
    ts = rows.ts[row]
    if np.any(ts[1:] < ts[:-1]):
        order = np.argsort(ts, kind="stable")
        row, kind, ts = row[order], kind[order], ts[order]
    taken = pa.array(row.astype(np.int64))
    if rows.clicked is not None:
        impression_id = impression_id.take(taken)
    columns = [pa.array(kind), impression_id, rows.user.take(taken), rows.item.take(taken)]
    return pa.table([*columns, rows.categories.take(taken), pa.array(ts)], schema=EVENTS)


def between(events: pa.Table, since: date | None, until: date | None) -> pa.Table:
    """The events from the start of the day `since` to before the day `until`, both in UTC.

    Raises: ConfigurationError: `until` is not after `since`.
    """
    if since is not None and until is not None and since >= until:
        raise ConfigurationError(f"until {until} is not after since {since}: no event lies between")
    ts = events["ts"].to_numpy()
    first = 0 if since is None else int(np.searchsorted(ts, _midnight(since)))
    last = len(ts) if until is None else int(np.searchsorted(ts, _midnight(until)))
    return events.slice(first, last - first)


def named(dataset: str, files: Iterable[Path], choices: Iterable[object]) -> str:
    """The name of what `files` and the `choices` that shaped the reading hold.

    Raises: DataError: a file cannot be read.
    """
    digest = hashlib.sha256(repr((_FORMAT, dataset, *choices)).encode())
    for path in files:
        try:
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return f"{dataset}-{digest.hexdigest()[:16]}"


def list_of_none(rows: int) -> pa.ListArray:
    """Lists of categories for that many rows, each of them empty."""
    nothing = pa.DictionaryArray.from_arrays(pa.array([], pa.int32()), pa.array([], pa.string()))
    return pa.ListArray.from_arrays(pa.array(np.zeros(rows + 1, np.int32)), nothing)


def split_categories(joined: pa.StringArray) -> pa.ListArray:
    """`a|b` as a list of two, an empty string as an empty list; empty parts are left out."""
    trimmed = pc.replace_substring_regex(pc.utf8_trim(joined, "| "), r"\s*\|[\s|]*", "|")
    lists = pc.if_else(
        pc.equal(trimmed, ""), pa.scalar([], pa.list_(pa.string())), pc.split_pattern(trimmed, "|")
    )
    return as_categories(lists)


def as_categories(lists: pa.ListArray) -> pa.ListArray:
    """Lists of strings with their strings in a dictionary, the type `EVENTS` asks for."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    values = pc.list_flatten(lists).dictionary_encode()
    return pa.ListArray.from_arrays(pa.array(offsets), values)


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
