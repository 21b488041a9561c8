"""Letters as they are written and read again, and what becomes of each under the settings of now."""

import msgspec
import pytest

from stream.dead.letters import (
    DEAD_BYTES,
    OTHER_BYTES,
    Identity,
    Wanted,
    digest,
    headers_of,
    letter,
    shortened,
)
from stream.dead.verdict import FUTURE, LEFT_OUT, PAST, REPLAYED, STILL_DEAD, UNMAPPED, Judge, There
from stream.errors import CorruptRecord
from stream.ingest.decode import decode_json
from stream.ingest.mapping import SLATE, Mapping
from stream.ingest.paths import Record
from stream.settings import SourceSettings

T = 1_764_000_000_000

BOTH = {"topic": "shop", "user": "key", "item": "sku", "time": "kafka:timestamp", "impression": "header:view"}
TABLES = [
    BOTH | {"kind_field": "type", "impression_values": ["seen"]},
    BOTH | {"kind_field": "clicked", "click_values": ["true"]},
]
RECORD = Record(None, b"u7", [("view", b"v1"), ("other", None)], T)


def judge(*tables: dict, until: int = T + 1_000) -> Judge:
    made = {"shop": Mapping([SourceSettings.model_validate(one) for one in tables])} if tables else {}
    return Judge({"shop": decode_json}, made, "asmg.events", until)


def read(value: bytes | None, reason: str = "why", written: tuple[bytes, ...] = (), record: Record = RECORD):
    headers, whole = headers_of(reason, ("shop", 2), 5, b"ingest/shop/2", record, written)
    kept, cut = shortened(value, whole)
    return letter(9, T, kept, [("schema", b"1"), *headers, *cut])


def windowed(value: bytes, reason: str):
    headers = [("reason", reason), ("topic", "asmg.events"), ("partition", "3"), ("offset", "8")]
    return letter(9, T, value, [(name, one.encode()) for name, one in headers])


def test_a_letter_keeps_all_that_a_mapping_may_read():
    one = read(b'{"type": "seen", "sku": "i"}')
    assert (one.identity, one.place, one.cut) == (Identity(b"ingest/shop/2", 5), ("shop", 2), False)
    (event,) = judge(TABLES[0]).judge(one).events
    assert msgspec.json.decode(event.value) == {
        "type": "impression",
        "impression_id": "v1",
        "user_id": "u7",
        "item_id": "i",
        "ts": T,
        "categories": [],
    }
    assert (event.ts, event.user) == (T, "u7")


@pytest.mark.parametrize(
    ("value", "record"),
    [
        (b"x" * (DEAD_BYTES + 1), RECORD),
        (b"x", RECORD._replace(key=b"k" * OTHER_BYTES)),
        (b"x", RECORD._replace(headers=[("h", b"k" * OTHER_BYTES)])),
    ],
)
def test_what_is_too_long_for_a_letter_is_cut_and_says_so(value, record):
    one = read(value, record=record)
    assert one.cut
    assert len(one.value) <= DEAD_BYTES


def test_a_letter_of_before_keys_were_kept_counts_as_cut():
    headers, _ = headers_of("why", ("shop", 2), 5, b"ingest/shop/2", RECORD, ())
    assert letter(9, T, b"{}", [one for one in headers if one[0] != "at"]).cut


@pytest.mark.parametrize("missing", ["reason", "topic", "partition", "offset"])
def test_what_lacks_a_header_is_no_letter(missing):
    headers, _ = headers_of("why", ("shop", 2), 5, b"s", RECORD, ())
    with pytest.raises(CorruptRecord, match="dead letter 9"):
        letter(9, T, b"", [one for one in headers if one[0] != missing])


@pytest.mark.parametrize(
    ("value", "outcome", "reason"),
    [
        (b'{"type": "seen", "sku": "i"}', REPLAYED, ""),
        (b'{"type": "seen"}', STILL_DEAD, "item: sku is missing"),
        (b"{", STILL_DEAD, "not JSON"),
        (b'{"type": "scroll"}', LEFT_OUT, "scroll"),
    ],
)
def test_a_letter_is_judged_by_the_mapping_of_now(value, outcome, reason):
    found = judge(TABLES[0]).judge(read(value))
    assert found.outcome == outcome
    assert reason in found.reason
    assert bool(found.events) is (outcome == REPLAYED)


def test_a_topic_that_no_table_names_is_told_of():
    assert judge().judge(read(b"{}")).outcome == UNMAPPED


def test_a_letter_whose_time_has_not_come_waits():
    assert judge(TABLES[0], until=T - 1).judge(read(b'{"type": "seen", "sku": "i"}')).outcome == FUTURE


@pytest.mark.parametrize(
    ("reason", "ts", "outcome"),
    [
        ("future: ts is 9 ms after Kafka took it", T, REPLAYED),
        ("future: ts is 9 ms after Kafka took it", T + 2_000, FUTURE),
        ("Expected `int`, got `str`", T, REPLAYED),  # by a decoder that was mended
        ("unknown impression 'p' of this user", T, PAST),
    ],
)
def test_windowing_s_letters_keep_bytes_and_partition_and_an_unknown_impression_stays_unknown(
    reason, ts, outcome
):
    value = b'{"type": "click", "user_id": 7, "item_id": "i", "impression_id": "p", "ts": %d}' % ts
    one = windowed(value, reason)
    assert one.identity == Identity(b"dead-letters/asmg.events/3", 8)
    found = judge().judge(one)
    assert found.outcome == outcome
    for event in found.events:
        assert (event.value, event.partition, event.user) == (value, 3, "7")


def test_what_is_still_no_event_stays_dead():
    assert judge().judge(windowed(b"{}", "x")).outcome == STILL_DEAD


def test_what_an_ingest_wrote_of_a_record_is_not_written_again_and_keeps_its_row():
    """The impression was made and the click could not be: its table asked for another field."""
    seen = judge(TABLES[0]).judge(read(b'{"type": "seen", "sku": "i", "clicked": true}')).events[0]
    one = read(b'{"type": "seen", "sku": "i", "clicked": true}', written=(seen.value,))
    both = judge(*TABLES).judge(one).events
    assert len(both) == 2
    ((place, click),) = There().missing(one, both)
    assert place == 1
    assert b'"click"' in click.value


def test_what_a_replay_that_died_has_written_is_not_written_again():
    one = read(b'{"type": "seen", "sku": "i", "clicked": true}')
    both = judge(*TABLES).judge(one).events
    there = There()
    assert not there.whole
    there.add(5 * SLATE, both[0].value, wanted=2)
    assert not there.whole
    assert there.missing(one, both) == [(1, both[1])]
    there.add(5 * SLATE + 1, both[1].value, wanted=2)
    assert there.whole
    assert there.missing(one, both) == []
    assert Identity.of_row(b"s", 5 * SLATE + 1) == Identity(b"s", 5)
    assert digest(both[0].value) != digest(both[1].value)


def test_letters_are_asked_for_by_reason_and_by_when_they_died():
    one = read(b"", reason="item: sku is missing")
    assert Wanted("sku", T, T + 1).holds(one)
    assert not Wanted("user").holds(one)
    assert not Wanted(since=T + 1).holds(one)
    assert not Wanted(until=T).holds(one)
