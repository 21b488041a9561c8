"""Whatever bytes lie in the topics that workers tell each other by: a record, or CorruptRecord."""

from __future__ import annotations

from typing import Any

import pytest
from fuzzing import fuzzed, spoiled, spoiled_json
from hypothesis import strategies as st
from valid import RECORDS, described

from serving.histories import Histories
from serving.words import Words
from stream.archive.index import Index
from stream.errors import CorruptRecord
from stream.records import Serve, decode, encode
from stream.topics import Topics
from trainer.announced import Announced

#: Any bytes, and records with something else in them.
_ANY = st.one_of(spoiled(*map(encode, RECORDS)), spoiled_json(*map(described, RECORDS)))
TOPICS = Topics("t.")


@fuzzed(st.sampled_from(RECORDS), _ANY)
def test_any_bytes_are_a_record_that_can_be_written_again_or_none(kind: Any, value: bytes) -> None:
    try:
        found = decode(type(kind), value)
    except CorruptRecord:
        return
    assert encode(decode(type(kind), encode(found))) == encode(found)
    if hasattr(found, "hash"):
        assert len(found.hash()) == 64


@pytest.mark.parametrize("record", RECORDS, ids=lambda one: type(one).__name__)
def test_a_valid_record_is_itself(record: Any) -> None:
    assert decode(type(record), encode(record)) == record


@fuzzed(st.lists(st.tuples(st.sampled_from(["periods", "models", "shadows", "serve"]), _ANY), max_size=5))
def test_followers_of_the_topics_take_any_bytes(told: list[tuple[str, bytes]]) -> None:
    announced, words, index = Announced(TOPICS), Words(), Index()
    for topic, value in [*((name, encode(one)) for name in ("periods", "models") for one in RECORDS), *told]:
        announced.take(getattr(TOPICS, topic), value)
        index.take(value)
        try:
            words.take(decode(Serve, value))
        except CorruptRecord:
            continue
    _ = (announced.last_theta(), announced.last_decided(), words.current)


@fuzzed(st.one_of(st.none(), st.binary(max_size=9)), _ANY)
def test_a_history_of_any_bytes_is_held_or_counted(key: bytes | None, value: bytes) -> None:
    histories = Histories()
    histories.take(key, value)
    assert (len(histories), histories.unreadable) in ((1, 0), (0, 1))
