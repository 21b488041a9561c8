"""Events as bytes: valid JSON of the right fields, and Kafka's own partitions."""

import itertools
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.replay import EVENTS
from stream.replay.encode import Encoder, partition_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
EVENT = st.fixed_dictionaries(
    {
        "kind": st.just(1),
        "impression_id": st.none() | TEXT,
        "user_id": TEXT,
        "item_id": TEXT,
        "categories": st.lists(TEXT, max_size=3),
        "ts": st.integers(0, 2**42),
    }
) | st.fixed_dictionaries(
    {
        "kind": st.just(0),
        "impression_id": TEXT,
        "user_id": TEXT,
        "item_id": TEXT,
        "categories": st.lists(TEXT, max_size=3),
        "ts": st.integers(0, 2**42),
    }
)


def table(events: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(events, schema=EVENTS).combine_chunks()


@given(st.lists(EVENT, min_size=1, max_size=20))
def test_a_value_is_the_event_as_json_whatever_letters_are_in_it(events: list[dict[str, object]]) -> None:
    encoded = Encoder(table(events)).encode(0, len(events))
    for number, (event, (key, value, row)) in enumerate(zip(events, encoded, strict=True)):
        expected = {"type": ("impression", "click")[event.pop("kind")]}  # type: ignore[call-overload]
        expected |= {name: field for name, field in event.items() if field is not None}
        assert json.loads(value) == expected
        assert key.decode() == event["user_id"]
        assert row == number


@given(st.lists(EVENT, min_size=1, max_size=20), st.lists(st.integers(0, 20), max_size=4))
def test_bytes_and_rows_do_not_depend_on_how_the_events_are_cut(
    events: list[dict[str, object]], cuts: list[int]
) -> None:
    encoder = Encoder(table(events))
    places = sorted({0, len(events), *(min(cut, len(events)) for cut in cuts)})
    pieces = [pair for first, last in itertools.pairwise(places) for pair in encoder.encode(first, last)]
    assert pieces == encoder.encode(0, len(events))


def test_events_that_are_a_slice_are_encoded_as_such() -> None:
    events = [
        {
            "kind": 1,
            "impression_id": None,
            "user_id": f"u{n}",
            "item_id": f"i{n}",
            "categories": [f"c{n}"],
            "ts": n,
        }
        for n in range(6)
    ]
    sliced = Encoder(table(events).slice(2, 3))
    whole = Encoder(table(events))
    assert [value for _, value, _ in sliced.encode(0, 3)] == [value for _, value, _ in whole.encode(2, 5)]
    assert sliced.partitions(4).tolist() == whole.partitions(4)[2:5].tolist()


@pytest.mark.parametrize(
    ("key", "murmur2"),  # org.apache.kafka.common.utils.UtilsTest
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_partitions_are_those_of_kafkas_own_hash(key: str, murmur2: int) -> None:
    assert partition_of(pa.array([key]), 997).tolist() == [(murmur2 & 0x7FFFFFFF) % 997]


def test_the_partition_of_a_key_does_not_depend_on_its_neighbours() -> None:
    keys = pa.array(["", "a", "ü", "21", "foobar", "", "a-little-bit-long-string"])
    alone = [partition_of(keys.slice(place, 1), 16)[0] for place in range(len(keys))]
    assert np.array_equal(partition_of(keys, 16), alone)


def test_no_keys_have_no_partitions() -> None:
    assert partition_of(pa.array([], pa.string()), 4).tolist() == []
