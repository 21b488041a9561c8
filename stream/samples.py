"""Labelled samples as columns: what windowing writes, periods cut and training reads."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stream.errors import CorruptRecord

#: Numbers that stand for texts, of any width.
Code = TypeVar("Code", bound=np.integer)

#: A user's history: at most this many of the most recent positives, newest first.
HISTORY = 30

SCHEMA = pa.schema(
    [
        pa.field("number", pa.int64(), nullable=False),
        pa.field("decided_at", pa.int64(), nullable=False),
        pa.field("user_id", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("item_id", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("impression_id", pa.string(), nullable=False),
        pa.field("categories", pa.list_(pa.dictionary(pa.int32(), pa.string())), nullable=False),
        pa.field("history", pa.list_(pa.dictionary(pa.int32(), pa.string())), nullable=False),
        pa.field("label", pa.int8(), nullable=False),
        pa.field("row_hash", pa.uint64(), nullable=False),
    ]
)

#: Places in `SCHEMA` of what Order, labels and hashes are made of.
_KEYS = [place for place, name in enumerate(SCHEMA.names) if name not in ("categories", "history")]


_LABELS = [SCHEMA.get_field_index(name) for name in ("number", "impression_id", "label")]


@dataclass(frozen=True, eq=False)
class Labels:
    """What became of the impressions of n samples of one partition."""

    number: npt.NDArray[np.int64]  # [n] running number within the partition
    impression_id: pa.StringArray  # [n] "" where the sample is a click without an impression
    label: npt.NDArray[np.int8]  # [n] 1 clicked, 0 not


@dataclass(frozen=True, eq=False)
class Samples:
    """n samples of one or many partitions, strings replaced by codes into small dictionaries.

    A code is only meaningful beside the dictionary it points into; two `Samples` rarely share one.
    Codes of lists lie one after the other; row r owns `[offsets[r], offsets[r + 1])`.
    """

    number: npt.NDArray[np.int64]  # [n] running number within the partition it came from
    decided_at: npt.NDArray[np.int64]  # [n] ms of event time
    user: npt.NDArray[np.int32]  # [n] codes into `users`
    item: npt.NDArray[np.int32]  # [n] codes into `items`
    impression_id: pa.StringArray  # [n] "" where the sample is a click without an impression
    category_offsets: npt.NDArray[np.int64]  # [n + 1]
    category: npt.NDArray[np.int32]  # codes into `categories`
    history_offsets: npt.NDArray[np.int64]  # [n + 1]
    history: npt.NDArray[np.int32]  # codes into `items`, newest first, at most HISTORY a row
    label: npt.NDArray[np.int8]  # [n] 1 clicked, 0 not
    row_hash: npt.NDArray[np.uint64]  # [n] hash of the row's content, its number excluded
    users: pa.StringArray
    items: pa.StringArray  # of targets and of histories
    categories: pa.StringArray

    def __len__(self) -> int:
        return len(self.number)

    def take(self, rows: npt.NDArray[np.int64]) -> Samples:
        """These rows, in the order given; the dictionaries stay as they are."""
        category_offsets, category = take_lists(self.category_offsets, self.category, rows)
        history_offsets, history = take_lists(self.history_offsets, self.history, rows)
        return Samples(
            number=self.number[rows],
            decided_at=self.decided_at[rows],
            user=self.user[rows],
            item=self.item[rows],
            impression_id=self.impression_id.take(pa.array(rows)),
            category_offsets=category_offsets,
            category=category,
            history_offsets=history_offsets,
            history=history,
            label=self.label[rows],
            row_hash=self.row_hash[rows],
            users=self.users,
            items=self.items,
            categories=self.categories,
        )

    def slice(self, start: int, stop: int) -> Samples:
        """The rows [start, stop) as a view; the dictionaries stay as they are."""
        which, ends = slice(start, stop), slice(start, stop + 1)
        category_offsets, history_offsets = self.category_offsets[ends], self.history_offsets[ends]
        return replace(
            self,
            number=self.number[which],
            decided_at=self.decided_at[which],
            user=self.user[which],
            item=self.item[which],
            impression_id=self.impression_id[which],
            category_offsets=category_offsets - category_offsets[0],
            category=self.category[category_offsets[0] : category_offsets[-1]],
            history_offsets=history_offsets - history_offsets[0],
            history=self.history[history_offsets[0] : history_offsets[-1]],
            label=self.label[which],
            row_hash=self.row_hash[which],
        )

    def compact(self) -> Samples:
        """The same rows with dictionaries that hold only what the rows use, in order of code."""
        user, users = _used(self.users, self.user)
        (item, history), items = _used_together(self.items, [self.item, self.history])
        category, categories = _used(self.categories, self.category)
        return replace(
            self, user=user, users=users, item=item, history=history, items=items, category=category,
            categories=categories,
        )  # fmt: skip

    def encode(self) -> bytes:
        """One Arrow IPC stream with one record batch of `SCHEMA`."""
        mine = self.compact()
        batch = pa.record_batch(
            [
                pa.array(mine.number),
                pa.array(mine.decided_at),
                pa.DictionaryArray.from_arrays(pa.array(mine.user), mine.users),
                pa.DictionaryArray.from_arrays(pa.array(mine.item), mine.items),
                mine.impression_id,
                _list_array(mine.category_offsets, mine.category, mine.categories),
                _list_array(mine.history_offsets, mine.history, mine.items),
                pa.array(mine.label),
                pa.array(mine.row_hash),
            ],
            schema=SCHEMA,
        )
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, SCHEMA) as writer:
            writer.write_batch(batch)
        return bytes(sink.getvalue())

    @classmethod
    def decode(cls, message: bytes) -> Samples:
        """The samples of one message.

        Raises: CorruptRecord: not an Arrow stream, or not of `SCHEMA`.
        """
        batch = _read(message)
        categories, history = batch["categories"], batch["history"]
        items = batch["item_id"].dictionary
        known = history.values.dictionary
        codes = history.flatten().indices.to_numpy().astype(np.int32)
        if not known.equals(items):
            remap, items = _unify([items, known])
            item = remap[0][batch["item_id"].indices.to_numpy()]
            codes = remap[1][codes]
        else:
            item = batch["item_id"].indices.to_numpy().astype(np.int32)
        return cls(
            number=batch["number"].to_numpy(),
            decided_at=batch["decided_at"].to_numpy(),
            user=batch["user_id"].indices.to_numpy().astype(np.int32),
            item=item,
            impression_id=batch["impression_id"],
            category_offsets=_offsets(categories),
            category=categories.flatten().indices.to_numpy().astype(np.int32),
            history_offsets=_offsets(history),
            history=codes,
            label=batch["label"].to_numpy(),
            row_hash=batch["row_hash"].to_numpy(),
            users=batch["user_id"].dictionary,
            items=items,
            categories=categories.values.dictionary,
        )

    @classmethod
    def decode_keys(cls, message: bytes) -> Samples:
        """The same without categories and histories, most of a message, of which closing needs none.

        Raises: CorruptRecord: not an Arrow stream, or not of `SCHEMA`.
        """
        batch = _read(message, _KEYS)
        none, nothing = np.zeros(batch.num_rows + 1, np.int64), np.zeros(0, np.int32)
        return cls(
            number=batch["number"].to_numpy(),
            decided_at=batch["decided_at"].to_numpy(),
            user=batch["user_id"].indices.to_numpy().astype(np.int32),
            item=batch["item_id"].indices.to_numpy().astype(np.int32),
            impression_id=batch["impression_id"],
            category_offsets=none,
            category=nothing,
            history_offsets=none,
            history=nothing,
            label=batch["label"].to_numpy(),
            row_hash=batch["row_hash"].to_numpy(),
            users=batch["user_id"].dictionary,
            items=batch["item_id"].dictionary,
            categories=pa.array([], pa.string()),
        )

    @classmethod
    def concat(cls, parts: Sequence[Samples]) -> Samples:
        """All rows one after the other, over dictionaries that hold each string once."""
        if not parts:
            return cls.empty()
        user_maps, users = _unify([part.users for part in parts])
        item_maps, items = _unify([part.items for part in parts])
        category_maps, categories = _unify([part.categories for part in parts])
        return cls(
            number=np.concatenate([part.number for part in parts]),
            decided_at=np.concatenate([part.decided_at for part in parts]),
            user=_remap(user_maps, [part.user for part in parts]),
            item=_remap(item_maps, [part.item for part in parts]),
            impression_id=pa.concat_arrays([part.impression_id for part in parts]),
            category_offsets=_join_offsets([part.category_offsets for part in parts]),
            category=_remap(category_maps, [part.category for part in parts]),
            history_offsets=_join_offsets([part.history_offsets for part in parts]),
            history=_remap(item_maps, [part.history for part in parts]),
            label=np.concatenate([part.label for part in parts]),
            row_hash=np.concatenate([part.row_hash for part in parts]),
            users=users,
            items=items,
            categories=categories,
        )

    @classmethod
    def empty(cls) -> Samples:
        """No samples at all."""
        none, text = np.zeros(0, np.int64), pa.array([], pa.string())
        codes = np.zeros(0, np.int32)
        return cls(
            none, none, codes, codes, text, np.zeros(1, np.int64), codes, np.zeros(1, np.int64), codes,
            np.zeros(0, np.int8), np.zeros(0, np.uint64), text, text, text,
        )  # fmt: skip

    def in_order(self) -> npt.NDArray[np.int64]:
        """Row indices in Order = (decided_at, user id, item id, impression_id), ids as UTF-8 bytes."""
        order = np.argsort(self.decided_at, kind="stable")
        same = np.diff(self.decided_at[order]) == 0
        if not same.any():
            return order
        # Texts are compared only where the times before them are equal.
        tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
        rows = np.sort(order[tied])
        order[tied] = rows[
            np.lexsort(
                (
                    string_ranks(self.impression_id.take(pa.array(rows))),
                    string_ranks(self.items.take(pa.array(self.item[rows]))),
                    string_ranks(self.users.take(pa.array(self.user[rows]))),
                    self.decided_at[rows],
                )
            )
        ]
        return order


def decode_labels(message: bytes) -> Labels:
    """Of the samples of one message, that alone. Raises: CorruptRecord, as `Samples.decode`."""
    batch = _read(message, _LABELS)
    return Labels(batch["number"].to_numpy(), batch["impression_id"], batch["label"].to_numpy())


def string_ranks(strings: pa.StringArray) -> npt.NDArray[np.int64]:
    """Dense ranks of strings compared as UTF-8 bytes: equal strings get equal ranks."""
    encoded = strings.dictionary_encode()
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    ranks: npt.NDArray[np.int64] = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    result: npt.NDArray[np.int64] = ranks[encoded.indices.to_numpy()]
    return result


def take_lists(
    offsets: npt.NDArray[np.int64], values: npt.NDArray[Code], rows: npt.NDArray[np.integer]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[Code]]:
    """The lists of `rows`, one after the other: offsets [len(rows) + 1] and values.

    List r of the input is `values[offsets[r] : offsets[r + 1]]`.
    """
    starts = offsets[rows]
    lengths = offsets[rows + 1] - starts
    taken = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(lengths, out=taken[1:])
    return taken, values[np.arange(taken[-1]) + np.repeat(starts - taken[:-1], lengths)]


def hash_of(row_hash: npt.NDArray[np.uint64]) -> str:
    """sha256 over row hashes in Order, as little-endian uint64: what a manifest says of D_t."""
    return hashlib.sha256(row_hash.astype("<u8").tobytes()).hexdigest()


def _read(message: bytes, fields: Sequence[int] = ()) -> pa.RecordBatch:
    """The record batch in a message, of these fields where any are named. Raises: CorruptRecord."""
    wanted = pa.schema([SCHEMA.field(one) for one in fields]) if fields else SCHEMA
    try:
        with pa.ipc.open_stream(
            message, options=pa.ipc.IpcReadOptions(included_fields=list(fields))
        ) as reader:
            if not reader.schema.equals(wanted):
                raise CorruptRecord(f"a batch of samples has the wrong schema: {reader.schema}")
            batch = reader.read_next_batch()
        batch.validate(full=True)
    except (pa.ArrowException, OSError, StopIteration, UnicodeDecodeError) as error:
        raise CorruptRecord(f"a batch of samples cannot be read: {error}") from error
    if any(map(lacks_some, batch.columns)):
        raise CorruptRecord("a batch of samples lacks a value")
    return batch


def lacks_some(column: pa.Array) -> bool:
    """Whether a value is missing, in a row, in a list or among the texts that codes stand for."""
    if column.null_count:
        return True
    if isinstance(column, pa.DictionaryArray):
        return bool(column.dictionary.null_count)
    if isinstance(column, pa.ListArray | pa.LargeListArray):
        return lacks_some(column.flatten())
    return False


def _offsets(lists: pa.ListArray) -> npt.NDArray[np.int64]:
    offsets: npt.NDArray[np.int64] = lists.offsets.to_numpy().astype(np.int64)
    from_zero: npt.NDArray[np.int64] = offsets - offsets[0]
    return from_zero


def _list_array(
    offsets: npt.NDArray[np.int64], codes: npt.NDArray[np.int32], dictionary: pa.StringArray
) -> pa.ListArray:
    values = pa.DictionaryArray.from_arrays(pa.array(codes), dictionary)
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values)


def _join_offsets(parts: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    lengths = np.concatenate([np.diff(part) for part in parts])
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


def _unify(dictionaries: Sequence[pa.StringArray]) -> tuple[list[npt.NDArray[np.int32]], pa.StringArray]:
    """For each dictionary the map from its codes to codes of the joint one, and the joint one."""
    joint = pa.concat_arrays(list(dictionaries)).dictionary_encode()
    codes = joint.indices.to_numpy().astype(np.int32)
    ends = np.cumsum([len(dictionary) for dictionary in dictionaries])
    return np.split(codes, ends[:-1]), joint.dictionary


def _remap(
    maps: Sequence[npt.NDArray[np.int32]], codes: Sequence[npt.NDArray[np.int32]]
) -> npt.NDArray[np.int32]:
    return np.concatenate(
        [mapping[part] if len(part) else part for mapping, part in zip(maps, codes, strict=True)]
    )


def _used(
    dictionary: pa.StringArray, codes: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int32], pa.StringArray]:
    (mapped,), kept = _used_together(dictionary, [codes])
    return mapped, kept


def _used_together(
    dictionary: pa.StringArray, columns: Sequence[npt.NDArray[np.int32]]
) -> tuple[list[npt.NDArray[np.int32]], pa.StringArray]:
    mapping = np.zeros(len(dictionary), np.int32)
    used = np.zeros(len(dictionary), np.bool_)
    for codes in columns:
        used[codes] = True
    if used.all():  # as windowing makes them
        return list(columns), dictionary
    kept = np.flatnonzero(used)
    mapping[kept] = np.arange(len(kept), dtype=np.int32)
    return [mapping[codes] for codes in columns], dictionary.take(pa.array(kept))
