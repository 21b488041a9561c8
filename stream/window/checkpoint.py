"""A partition's state as Arrow tables and back: users' positives as a base and deltas, the rest whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stream.errors import CorruptArtefact
from stream.samples import take_lists
from stream.settings import StreamSettings
from stream.window.codes import Codes, named
from stream.window.partition import Counts, Partition
from stream.window.state import Events, Ints

_PASTS = pa.schema(
    [
        pa.field("user_id", pa.string()),
        pa.field("items", pa.list_(pa.string())),  # newest first
        pa.field("times", pa.list_(pa.int64())),  # ms
    ]
)

_KEY = [pa.field("user_id", pa.string()), pa.field("impression_id", pa.string())]

_PENDING = pa.struct(
    [
        *_KEY,  # impression_id null: a click that came without
        pa.field("kind", pa.int8()),
        pa.field("ts", pa.int64()),
        pa.field("item_id", pa.string()),
        pa.field("categories", pa.list_(pa.string())),
        pa.field("offset", pa.int64()),
        pa.field("source", pa.string()),
        pa.field("row", pa.int64()),
        pa.field("value", pa.binary()),  # of a click that may yet turn out dead
    ]
)

_IMPRESSION = pa.struct([*_KEY, pa.field("ts", pa.int64()), pa.field("clicked", pa.bool_())])

_ROW = pa.struct(
    [
        *_KEY,
        pa.field("ts", pa.int64()),
        pa.field("item_id", pa.string()),
        pa.field("categories", pa.list_(pa.string())),
        pa.field("history", pa.list_(pa.string())),
    ]
)

_REST = pa.schema(
    [
        pa.field("partition", pa.int32()),
        pa.field("offset", pa.int64()),
        pa.field("number", pa.int64()),
        pa.field("watermark", pa.int64()),
        pa.field("ends", pa.int64()),
        pa.field("counts", pa.string()),  # JSON
        pa.field("newest", pa.string()),  # JSON: source -> largest row seen
        pa.field("pending", pa.list_(_PENDING)),
        pa.field("impressions", pa.list_(_IMPRESSION)),
        pa.field("rows", pa.list_(_ROW)),  # open ones
    ]
)

#: Users who wish to be forgotten, and whose time has not come: a column only where there are any.
_ASKED = pa.field(
    "asked", pa.list_(pa.struct([pa.field("at", pa.int64()), pa.field("user_id", pa.string())]))
)


def pasts_table(state: Partition, users: Ints | None = None) -> pa.Table:
    """The positives of these users (by code), or of all that have any."""
    if users is None:
        users = np.flatnonzero(state.pasts.count[: len(state.users.names)])
    offsets, items, times = state.pasts.of(users)
    starts = pa.array(offsets.astype(np.int32))
    return pa.Table.from_arrays(
        [
            state.users.texts(users),
            pa.ListArray.from_arrays(starts, state.items.texts(items)),
            pa.ListArray.from_arrays(starts, pa.array(times)),
        ],
        schema=_PASTS,
    )


def rest_table(state: Partition, partition: int, offset: int) -> pa.Table:
    """All of the state but users' positives, as one row."""
    newest = {state.sources.names[source]: row for source, row in state.newest.items()}
    row = {
        "partition": partition,
        "offset": offset,
        "number": state.number,
        "watermark": state.watermark,
        "ends": state.ends,
        "counts": msgspec.json.encode(state.counts).decode(),
        "newest": msgspec.json.encode(newest).decode(),
        "pending": _pending(state),
    }
    columns = [pa.array([value], _REST.field(name).type) for name, value in row.items()]
    for many in (_impressions(state), _rows(state)):  # tens of thousands: no object for each
        columns.append(pa.ListArray.from_arrays(pa.array([0, len(many)], pa.int32()), many))
    table = pa.Table.from_arrays(columns, schema=_REST)
    if not state.asked:
        return table
    asked = [{"at": at, "user_id": user} for at, user in state.asked]
    return table.append_column(_ASKED, pa.array([asked], _ASKED.type))


def restore(
    settings: StreamSettings, pasts: Iterable[pa.Table], rest: pa.Table, partition: int, offset: int
) -> Partition:
    """The partition whose base, deltas and rest these are.

    Raises: CorruptArtefact: the tables are no such state, or that of another place.
    """
    try:
        return _restored(settings, pasts, rest, partition, offset)
    except CorruptArtefact:
        raise
    except Exception as error:  # whatever a wrong form makes Arrow, numpy or JSON raise
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise CorruptArtefact(f"a checkpoint of partition {partition} cannot be read: {said}") from error


def _restored(
    settings: StreamSettings, pasts: Iterable[pa.Table], rest: pa.Table, partition: int, offset: int
) -> Partition:
    state = Partition(settings)
    for table in pasts:
        _restore_pasts(state, table)
    if _ASKED.name in rest.column_names:
        asked = rest[_ASKED.name].cast(_ASKED.type).to_pylist()[0]
        state.asked = [(one["at"], str(one["user_id"])) for one in asked]
        rest = rest.drop_columns(_ASKED.name)
    whole = rest.cast(_REST).combine_chunks()
    row = whole.drop_columns("impressions").to_pylist()[0]
    if (row["partition"], row["offset"]) != (partition, offset):
        raise CorruptArtefact(
            f"a checkpoint is of partition {row['partition']}, offset {row['offset']}, "
            f"not of {partition}, {offset}"
        )
    state.number, state.watermark, state.ends = row["number"], row["watermark"], row["ends"]
    state.counts = msgspec.json.decode(row["counts"], type=Counts)
    newest = msgspec.json.decode(row["newest"], type=dict[str, int])
    state.newest = {state.sources[name]: last for name, last in newest.items()}
    _restore_impressions(state, whole["impressions"].chunk(0).flatten())
    _restore_rows(state, row["rows"])
    _restore_pending(state, row["pending"])
    return state


def _pending(state: Partition) -> list[dict[str, Any]]:
    waiting = state.pending
    return [
        {
            "user_id": state.users.names[user],
            "impression_id": None if slot < 0 else state.impressions.names[slot],
            "kind": kind,
            "ts": ts,
            "item_id": state.items.names[item],
            "categories": state.lists.ids(code),
            "offset": offset,
            "source": None if source < 0 else state.sources.names[source],
            "row": row,
            "value": state.values.get(offset),
        }
        for kind, ts, user, item, code, slot, offset, source, row in zip(
            waiting.kind.tolist(), waiting.ts.tolist(), waiting.user.tolist(), waiting.item.tolist(),
            waiting.lists.tolist(), waiting.slot.tolist(), waiting.offset.tolist(), waiting.source.tolist(),
            waiting.row.tolist(), strict=True,
        )
    ]  # fmt: skip


def _impressions(state: Partition) -> pa.StructArray:
    known = state.impressions
    slots = known.slots()
    columns = [
        state.users.texts(known.user[slots]),
        named(known.names, slots),
        pa.array(known.ts[slots]),
        pa.array(known.clicked[slots]),
    ]
    return pa.StructArray.from_arrays(columns, fields=list(_IMPRESSION))


def _rows(state: Partition) -> pa.StructArray:
    rows, alive = state.rows, state.rows.alive()
    columns = [
        state.users.texts(rows.user[alive]),
        named(state.impressions.names, rows.slot[alive]),
        pa.array(rows.ts[alive]),
        state.items.texts(rows.item[alive]),
        _lists(state.lists.members, *take_lists(*state.lists.arrays(), rows.lists[alive])),
        _lists(state.items, *rows.histories(alive)),
    ]
    return pa.StructArray.from_arrays(columns, fields=list(_ROW))


def _lists(ids: Codes, offsets: Ints, codes: npt.NDArray[np.int32]) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), ids.texts(codes))


def _restore_pasts(state: Partition, table: pa.Table) -> None:
    table = table.cast(_PASTS).combine_chunks()
    if not table.num_rows:
        return
    users = state.users.of(table["user_id"].to_pylist())
    state.pasts.reserve(len(state.users.names))
    items, times = table["items"].chunk(0), table["times"].chunk(0)
    codes = state.items.of(items.flatten().to_pylist())
    state.pasts.put(users, items.offsets.to_numpy().astype(np.int64), codes, times.flatten().to_numpy())


def _restore_impressions(state: Partition, found: pa.StructArray) -> None:
    user, name, ts, clicked = (found.field(one.name) for one in _IMPRESSION)
    impressions = state.impressions
    slots = impressions.of(state.users.of(user.to_pylist()), name.to_pylist())
    impressions.ts[slots], impressions.clicked[slots] = ts.to_numpy(), clicked.to_numpy(zero_copy_only=False)


def _restore_rows(state: Partition, found: list[dict[str, Any]]) -> None:
    rows, impressions = state.rows, state.impressions
    rows.reserve(len(found))
    for row, one in enumerate(found):
        user = state.users[str(one["user_id"])]
        slot = impressions[user, str(one["impression_id"])]
        history = state.items.of(one["history"])
        end = int(rows.history_end[row])
        rows.ts[row] = one["ts"]
        rows.decided[row] = rows.ts[row] + state.settings.window
        rows.user[row], rows.item[row] = user, state.items[str(one["item_id"])]
        rows.lists[row] = state.lists[tuple(one["categories"])]
        rows.slot[row], rows.label[row], rows.done[row] = slot, 0, False
        rows.history[end : end + len(history)] = history
        rows.history_end[row + 1] = end + len(history)
        impressions.row[slot] = row
    rows.count = len(found)


def _restore_pending(state: Partition, found: list[dict[str, Any]]) -> None:
    user = state.users.of([str(one["user_id"]) for one in found])
    slots = [
        -1 if one["impression_id"] is None else state.impressions[who, str(one["impression_id"])]
        for who, one in zip(user.tolist(), found, strict=True)
    ]
    sources = [-1 if one["source"] is None else state.sources[str(one["source"])] for one in found]

    def column(name: str, kind: type[np.generic]) -> npt.NDArray[Any]:
        return np.array([one[name] for one in found], kind)

    state.pending = Events(
        kind=column("kind", np.int8),
        ts=column("ts", np.int64),
        user=user,
        item=state.items.of([str(one["item_id"]) for one in found]),
        lists=state.lists.of([tuple(one["categories"]) for one in found]),
        slot=np.array(slots, np.int32),
        offset=column("offset", np.int64),
        source=np.array(sources, np.int32),
        row=column("row", np.int64),
    )
    state.values = {one["offset"]: one["value"] for one in found if one["value"] is not None}
