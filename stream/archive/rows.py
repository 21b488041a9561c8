"""D_t as a table to be archived and back: texts as they are, so that any reader of Parquet understands it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stream.errors import CorruptArtefact
from stream.samples import Samples, lacks_some

#: A row is a sample; large lists, since 30 ids a sample are soon more bytes than 32-bit offsets reach.
SCHEMA = pa.schema(
    [
        pa.field("number", pa.int64()),  # running number within the partition it came from
        pa.field("decided_at", pa.int64()),  # ms of event time
        pa.field("user_id", pa.string()),
        pa.field("item_id", pa.string()),
        pa.field("impression_id", pa.string()),
        pa.field("categories", pa.list_(pa.string())),
        pa.field("history", pa.large_list(pa.large_string())),  # newest first
        pa.field("label", pa.int8()),
        pa.field("row_hash", pa.uint64()),
    ]
)


def table_of(samples: Samples) -> pa.Table:
    """The samples in the order given; equal rows make equal tables, whatever dictionaries they came with."""
    history = samples.items.cast(pa.large_string()).take(pa.array(samples.history))
    return pa.Table.from_arrays(
        [
            pa.array(samples.number),
            pa.array(samples.decided_at),
            samples.users.take(pa.array(samples.user)),
            samples.items.take(pa.array(samples.item)),
            samples.impression_id,
            pa.ListArray.from_arrays(
                pa.array(samples.category_offsets.astype(np.int32)),
                samples.categories.take(pa.array(samples.category)),
            ),
            pa.LargeListArray.from_arrays(pa.array(samples.history_offsets), history),
            pa.array(samples.label),
            pa.array(samples.row_hash),
        ],
        schema=SCHEMA,
    )


def samples_of(table: pa.Table) -> Samples:
    """The samples of such a table, in its order. Raises: CorruptArtefact: it is none."""
    if not table.schema.equals(SCHEMA):
        raise CorruptArtefact(f"an archived period has the wrong columns: {table.schema.names}")
    columns = {name: _whole(table.column(name)) for name in table.column_names}
    if short := [name for name, column in columns.items() if lacks_some(column)]:
        raise CorruptArtefact(f"an archived period lacks a value in {', '.join(short)}")
    user, users = _coded(columns["user_id"])
    category_offsets, names = _lists(columns["categories"])
    category, categories = _coded(names)
    history_offsets, past = _lists(columns["history"])
    both, items = _coded(pa.concat_arrays([columns["item_id"].cast(pa.large_string()), past]))
    return Samples(
        number=columns["number"].to_numpy(),
        decided_at=columns["decided_at"].to_numpy(),
        user=user,
        item=both[: len(table)],
        impression_id=columns["impression_id"],
        category_offsets=category_offsets,
        category=category,
        history_offsets=history_offsets,
        history=both[len(table) :],
        label=columns["label"].to_numpy(),
        row_hash=columns["row_hash"].to_numpy(),
        users=users,
        items=items,
        categories=categories,
    )


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _coded(texts: pa.Array) -> tuple[npt.NDArray[np.int32], pa.StringArray]:
    """Codes of the texts, and the dictionary that they point into."""
    encoded = texts.dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int32), encoded.dictionary.cast(pa.string())


def _lists(column: pa.Array) -> tuple[npt.NDArray[np.int64], pa.Array]:
    """Offsets [rows + 1] from 0, and the texts of all rows one after the other."""
    offsets = column.offsets.to_numpy().astype(np.int64)
    return offsets - offsets[0], column.flatten()
