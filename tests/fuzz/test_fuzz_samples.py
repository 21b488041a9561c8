"""Whatever bytes lie in `samples`: a batch that can be used, or CorruptRecord."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pyarrow as pa
from confluent_kafka import Message
from fuzzing import NUMBERS, fuzzed, spoiled, spoiled_table
from hypothesis import strategies as st
from valid import ARCHIVED, SAMPLES, message

from stream.archive.rows import table_of
from stream.close.batches import read_batch
from stream.errors import CorruptRecord
from stream.samples import SCHEMA, Samples, decode_labels, hash_of

_VALUE, _HEADERS = message()
_SMALL = SAMPLES.slice(0, 1).encode()


class _Message:
    """A record of Kafka."""

    def __init__(self, value: bytes | None, headers: list[tuple[str, Any]]) -> None:
        self._value, self._headers = value, headers

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> list[tuple[str, Any]]:
        return self._headers

    def partition(self) -> int:
        return 0


def use(samples: Samples) -> None:
    """What readers do with samples."""
    rows = samples.in_order()
    assert sorted(rows.tolist()) == list(range(len(samples)))
    again = Samples.decode(samples.take(rows).encode())
    assert table_of(again).equals(table_of(samples.take(rows)))
    assert len(Samples.concat([samples, SAMPLES, again])) == 2 * len(samples) + len(SAMPLES)
    hash_of(samples.row_hash)
    np.bincount(samples.label == 1)


def decode_all(value: bytes) -> None:
    """Every decoder of samples gives something of use, or finds them corrupt."""
    for decoded in (Samples.decode, Samples.decode_keys, decode_labels):
        try:
            found = decoded(value)
        except CorruptRecord:
            continue
        if isinstance(found, Samples):
            use(found)


@fuzzed(spoiled(_VALUE, _SMALL))
def test_any_bytes_are_samples_or_corrupt(value: bytes) -> None:
    decode_all(value)


@fuzzed(spoiled_table(ARCHIVED))
def test_any_arrow_batch_is_samples_or_corrupt(table: pa.Table) -> None:
    try:
        batch = table.cast(SCHEMA).combine_chunks().to_batches()
    except (pa.ArrowException, ValueError):
        columns = table.combine_chunks().to_batches()
        batch = [pa.record_batch(one.columns, names=table.column_names) for one in columns]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch[0].schema if batch else table.schema) as writer:
        for one in batch:
            writer.write_batch(one)
    decode_all(bytes(sink.getvalue()))


@st.composite
def batch_with_nulls(draw: st.DrawFn) -> bytes:
    """A batch of the right schema in which some rows, or list items, are nothing."""
    valid = pa.ipc.open_stream(_VALUE).read_next_batch()
    columns = list(valid.columns)
    place = draw(st.integers(0, len(columns) - 1))
    mask = [draw(st.booleans()) for _ in range(len(valid))]
    column = columns[place]
    if pa.types.is_list(column.type) and draw(st.booleans()):
        inner = column.values.indices.to_pylist()
        spared = pa.array([None if draw(st.booleans()) else one for one in inner], pa.int32())
        values = pa.DictionaryArray.from_arrays(spared, column.values.dictionary)
        columns[place] = pa.ListArray.from_arrays(column.offsets, values, type=column.type)
    elif pa.types.is_dictionary(column.type):
        codes = [None if gone else one for gone, one in zip(mask, column.indices.to_pylist(), strict=True)]
        columns[place] = pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), column.dictionary)
    else:
        rows = [None if gone else row for row, gone in enumerate(mask)]
        columns[place] = column.take(pa.array(rows, pa.int64()))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA) as writer:
        writer.write_batch(pa.record_batch(columns, schema=SCHEMA))
    return bytes(sink.getvalue())


@fuzzed(batch_with_nulls())
def test_a_batch_with_nothing_in_a_row_is_corrupt_or_of_use(value: bytes) -> None:
    decode_all(value)


_HEADER = st.one_of(
    st.none(),
    st.binary(max_size=12),
    st.sampled_from(NUMBERS).map(lambda one: b"%d" % one if abs(one) < 2**250 else b"9" * 5_000),
    st.just(b'{"used":9999999999999999999999}'),
    st.just(b"[" * 60_000),
)


@fuzzed(
    st.one_of(st.none(), st.just(_VALUE), spoiled(_VALUE)),
    st.dictionaries(st.sampled_from([name for name, _ in _HEADERS]), _HEADER, max_size=3),
    st.sets(st.sampled_from([name for name, _ in _HEADERS]), max_size=2),
    st.booleans(),
)
def test_any_record_is_a_batch_or_corrupt(
    value: bytes | None, other: dict[str, Any], without: set[str], keys: bool
) -> None:
    headers = {**dict(_HEADERS), **other}
    record = _Message(value, [(name, one) for name, one in headers.items() if name not in without])
    try:
        batch = read_batch(cast(Message, record), keys=keys)
    except CorruptRecord:
        return
    assert batch.samples.number.tolist() == list(range(batch.first, batch.first + len(batch.samples)))
