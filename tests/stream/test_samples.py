"""Samples as columns: what goes into a message comes out of it, and Order is that of bytes."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from stream.errors import CorruptRecord
from stream.samples import SCHEMA, Samples, decode_labels, string_ranks


def rows(samples: Samples) -> list[tuple[object, ...]]:
    """Every row with its strings written out."""
    users, items, categories = (
        each.to_pylist() for each in (samples.users, samples.items, samples.categories)
    )
    return [
        (
            int(samples.number[row]),
            int(samples.decided_at[row]),
            users[samples.user[row]],
            items[samples.item[row]],
            samples.impression_id[row].as_py(),
            [categories[code] for code in samples.category[slice(*samples.category_offsets[row : row + 2])]],
            [items[code] for code in samples.history[slice(*samples.history_offsets[row : row + 2])]],
            int(samples.label[row]),
            int(samples.row_hash[row]),
        )
        for row in range(len(samples))
    ]


@pytest.mark.parametrize("seed", range(5))
def test_a_message_holds_the_rows_that_went_into_it(random_period: Callable[..., Samples], seed: int) -> None:
    samples = random_period(seed, categories=4, impressions=True)
    assert rows(Samples.decode(samples.encode())) == rows(samples)


def test_a_message_of_no_rows_is_a_message(random_period: Callable[..., Samples]) -> None:
    assert len(Samples.decode(Samples.empty().encode())) == 0


def test_the_keys_of_a_message_are_its_rows_without_categories_and_histories(
    random_period: Callable[..., Samples],
) -> None:
    samples = random_period(3, categories=4, impressions=True)
    keys = Samples.decode_keys(samples.encode())
    assert rows(keys) == [(*one[:5], [], [], *one[7:]) for one in rows(samples)]


def test_the_labels_of_a_message_are_those_of_its_impressions(random_period: Callable[..., Samples]) -> None:
    samples = random_period(3, categories=4, impressions=True)
    labels = decode_labels(samples.encode())
    told = zip(labels.number.tolist(), labels.impression_id.to_pylist(), labels.label.tolist(), strict=True)
    assert list(told) == [(one[0], one[4], one[7]) for one in rows(samples)]
    with pytest.raises(CorruptRecord):
        decode_labels(samples.encode()[:-100])


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (0, 7), (5, 6), (3, 60)])
def test_a_slice_is_the_rows_that_taking_them_gives(
    random_period: Callable[..., Samples], start: int, stop: int
) -> None:
    samples = random_period(4, categories=4, impressions=True)
    assert rows(samples.slice(start, stop)) == rows(samples)[start:stop]
    assert rows(samples.slice(start, stop).compact()) == rows(samples)[start:stop]


@pytest.mark.parametrize("times", [1, 3, 1000])
def test_order_is_the_same_however_many_times_are_equal(
    random_period: Callable[..., Samples], times: int
) -> None:
    samples = random_period(5, categories=1, impressions=True)
    decided_at = np.random.default_rng(times).integers(0, times, len(samples))
    samples = replace(samples, decided_at=decided_at)
    placed = [rows(samples)[row] for row in samples.in_order()]
    assert placed == sorted(
        rows(samples), key=lambda one: (one[1], *(str(one[place]).encode() for place in (2, 3, 4)))
    )


def test_joined_samples_are_the_rows_of_the_parts_one_after_the_other(
    random_period: Callable[..., Samples],
) -> None:
    parts = [random_period(seed, categories=3) for seed in range(3)]
    joined = Samples.concat([parts[0], Samples.empty(), *parts[1:]])
    assert rows(joined) == [row for part in parts for row in rows(part)]
    assert len(set(joined.items.to_pylist())) == len(joined.items)


def test_rows_cut_into_pieces_and_joined_are_the_rows(random_period: Callable[..., Samples]) -> None:
    samples = random_period(7, categories=3)
    pieces = [samples.take(part).compact() for part in np.array_split(np.arange(len(samples)), 4)]
    assert rows(Samples.concat(pieces)) == rows(samples)


def test_order_compares_ids_as_utf_8_bytes(random_period: Callable[..., Samples]) -> None:
    samples = random_period(3, users=40, impressions=True)
    samples.decided_at[:] = samples.decided_at // 10
    ordered = rows(samples.take(samples.in_order()))
    key = [(row[1], *(str(each).encode() for each in (row[2], row[3], row[4]))) for row in ordered]
    assert key == sorted(key)


def test_ranks_go_by_bytes_not_by_numbers_or_letters() -> None:
    assert string_ranks(pa.array(["é", "z", "10", "9", "z"])).tolist() == [3, 2, 0, 1, 2]


@pytest.mark.parametrize(
    "message",
    [b"", b"not Arrow", Samples.empty().encode()[:-40], Samples.empty().encode()[:100]],
)
def test_bytes_that_are_no_batch_of_samples_are_refused(message: bytes) -> None:
    with pytest.raises(CorruptRecord):
        Samples.decode(message)


def test_a_batch_of_another_schema_is_refused() -> None:
    sink = pa.BufferOutputStream()
    other = pa.schema([SCHEMA.field("number")])
    with pa.ipc.new_stream(sink, other) as writer:
        writer.write_batch(pa.record_batch([pa.array([1])], schema=other))
    with pytest.raises(CorruptRecord, match="schema"):
        Samples.decode(bytes(sink.getvalue()))
