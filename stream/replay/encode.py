"""Events as the bytes that go to Kafka: keys, JSON values, and the partition each belongs to."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Bytes = npt.NDArray[np.uint8]

#: How a value begins, by `kind`.
_HEADS = ('{"type":"impression","impression_id":', '{"type":"click","impression_id":', '{"type":"click"')

_json = msgspec.json.Encoder()


class Encoder:
    """Encodes slices of a table of events; what depends on an id alone is worked out here, once an id."""

    def __init__(self, events: pa.Table) -> None:
        self._events = events
        users, self._user = _coded(events["user_id"])
        items, self._item = _coded(events["item_id"])
        lists = _whole(events["categories"])
        self._categories = pa.ListArray.from_arrays(
            lists.offsets, _quoted(lists.values.dictionary).take(lists.values.indices)
        )
        self._users = users
        self._keys: list[bytes] = users.cast(pa.binary()).to_pylist()
        self._user_json, self._item_json = _quoted(users), _quoted(items)

    def partitions(self, count: int) -> npt.NDArray[np.int32]:
        """[n] the partition, of `count`, of each event: that of its user id under murmur2_random."""
        return partition_of(self._users, count)[self._user]

    def encode(self, first: int, last: int) -> list[tuple[bytes, bytes, int]]:
        """(key, value, row) of the events in rows [first, last)."""
        part = self._events.slice(first, last - first)
        ids = _whole(part["impression_id"]).to_pylist()
        without = np.fromiter((identifier is None for identifier in ids), np.bool_, len(ids))
        heads = pa.array(_HEADS).take(pa.array(part["kind"].to_numpy() + without))
        quoted = pa.array(
            ["" if identifier is None else _json.encode(identifier) for identifier in ids], pa.string()
        )
        values = pc.binary_join_element_wise(
            heads,
            quoted,
            ',"user_id":',
            self._user_json.take(pa.array(self._user[first:last])),
            ',"item_id":',
            self._item_json.take(pa.array(self._item[first:last])),
            ',"categories":[',
            pc.binary_join(self._categories.slice(first, last - first), ","),
            '],"ts":',
            _whole(part["ts"]).cast(pa.string()),
            "}",
            "",
        )
        keys = [self._keys[code] for code in self._user[first:last].tolist()]
        return list(zip(keys, values.cast(pa.binary()).to_pylist(), range(first, last), strict=True))


def partition_of(keys: pa.StringArray, count: int) -> npt.NDArray[np.int32]:
    """[n] the partition, of `count`, that Kafka's murmur2 partitioner gives each key (as UTF-8)."""
    data = np.frombuffer(keys.buffers()[2] or b"", np.uint8)
    offsets = np.frombuffer(keys.buffers()[1] or b"\0\0\0\0", np.int32)[
        keys.offset : keys.offset + len(keys) + 1
    ]
    lengths = np.diff(offsets)
    hashes = np.zeros(len(keys), np.uint32)
    for length in np.unique(lengths).tolist():
        same = np.flatnonzero(lengths == length)
        hashes[same] = _murmur2(data[offsets[same][:, None] + np.arange(length)])
    return ((hashes & np.uint32(0x7FFFFFFF)) % np.uint32(count)).astype(np.int32)


def _murmur2(keys: Bytes) -> npt.NDArray[np.uint32]:
    """[n] MurmurHash2 as Kafka computes it, of n keys of one length: [n, length] bytes."""
    multiplier, seed = np.uint32(0x5BD1E995), np.uint32(0x9747B28C)
    rows, length = keys.shape
    whole = length // 4 * 4
    words = np.ascontiguousarray(keys[:, :whole]).view("<u4").reshape(rows, whole // 4)
    hashes = np.full(rows, seed ^ np.uint32(length), np.uint32)
    for word in words.T:
        mixed = word * multiplier
        mixed = (mixed ^ (mixed >> np.uint32(24))) * multiplier
        hashes = (hashes * multiplier) ^ mixed
    if length > whole:
        for place in range(whole, length):
            hashes ^= keys[:, place].astype(np.uint32) << np.uint32(8 * (place - whole))
        hashes *= multiplier
    hashes = (hashes ^ (hashes >> np.uint32(13))) * multiplier
    return hashes ^ (hashes >> np.uint32(15))


def _coded(column: pa.ChunkedArray) -> tuple[pa.StringArray, npt.NDArray[np.int32]]:
    coded = _whole(column)
    return coded.dictionary, np.asarray(coded.indices.to_numpy(), np.int32)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _quoted(strings: pa.StringArray) -> pa.StringArray:
    """Each string as JSON, its quotes included."""
    return pa.array([_json.encode(string).decode() for string in strings.to_pylist()], pa.string())
