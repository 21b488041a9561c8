"""Which period forgets a user, and what is left of it where the archive has forgotten one."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import msgspec
import pytest
from confluent_kafka import Message
from msgspec.structs import replace

from stream.archive.index import Index
from stream.archive.rows import samples_of, table_of
from stream.close.batches import Batch, Reached, messages, read_batch
from stream.close.closer import Closer
from stream.close.cut import Cut
from stream.close.read import checked
from stream.errors import CorruptRecord
from stream.forgotten import digest_of, nobodys, without
from stream.records import Archived, Manifest, encode
from stream.samples import hash_of

REACHED = Reached(watermark=9, ends=0, offset=4, event_at=1, counts={"used": 3}, busy_ms=0)


def record(value: bytes, headers: list[tuple[str, bytes]]) -> Message:
    return SimpleNamespace(value=lambda: value, headers=lambda: headers, partition=lambda: 0)  # type: ignore[return-value]


def test_wishes_travel_with_a_batch_and_in_the_last_piece_of_a_large_one(random_period, monkeypatch) -> None:
    samples, told = random_period(1), ((7, "a"), (9, "b"))
    (one,) = messages(Batch(0, 0, samples, REACHED, told), REACHED)
    assert read_batch(record(*one)).forgotten == told
    monkeypatch.setattr("stream.close.batches.LARGEST", 4000)
    pieces = [read_batch(record(*one)) for one in messages(Batch(0, 0, samples, REACHED, told), REACHED)]
    assert len(pieces) > 1
    assert [one.forgotten for one in pieces] == [()] * (len(pieces) - 1) + [told]
    (plain,) = messages(Batch(0, 0, samples.slice(0, 3), REACHED), REACHED)
    assert "forgotten" not in dict(plain[1])
    with pytest.raises(CorruptRecord, match="unusable headers"):
        read_batch(record(plain[0], [*plain[1], ("forgotten", b'[["x", 1]]')]))


def cut(at: int) -> Cut:
    return Cut("count", (at, "u", "i", ""), 1, 1, "", {0: (0, 1)}, 0)


def test_a_period_forgets_those_whose_time_lies_in_it_whatever_is_told_again() -> None:
    closer = SimpleNamespace(_forgotten={(3, "early"), (10, "at"), (11, "later"), (7, "b"), (5, "a")})
    first = Manifest(period=0, parent="", reason="settings")
    last = Manifest(period=1, parent="", reason="count", cut=(3, "u", "i", ""))
    assert Closer._forget(closer, first, cut(3)) == ("early",)  # type: ignore[arg-type]
    closer._forgotten |= {(3, "early")}  # read once more after a restart
    assert Closer._forget(closer, last, cut(10)) == ("a", "at", "b")  # type: ignore[arg-type]
    assert closer._forgotten == {(11, "later")}


def test_a_manifest_that_forgets_nobody_hashes_as_ever_and_one_that_does_otherwise() -> None:
    plain = Manifest(period=3, parent="p", reason="count", count=5)
    agreed = msgspec.json.encode([3, "p", "count", None, 5, 0, "", {}])
    assert plain.hash() == hashlib.sha256(agreed).hexdigest()
    assert replace(plain, forget=("a",)).hash() != plain.hash()


def test_an_archived_period_that_forgot_is_held_against_its_numbers(random_period) -> None:
    samples = random_period(1, users=5, impressions=True)
    manifest = Manifest(
        period=1, parent="", reason="count", count=len(samples), sha256=hash_of(samples.row_hash)
    )
    left = samples_of(table_of(without(samples, {digest_of("u1")})))
    gone = nobodys(left)
    assert gone > 0
    assert len(checked(left, manifest, gone)) == len(samples)
    for wrong in (0, gone - 1, gone + 1):
        with pytest.raises(CorruptRecord):
            checked(left, manifest, wrong)
    again = samples_of(table_of(without(left, {digest_of("u1")})))
    assert table_of(again).equals(table_of(left))


def test_of_a_period_the_record_that_forgot_most_counts_and_the_others_parts_may_go() -> None:
    index = Index()
    told = [("p", 0), ("q", 2), ("p", 0), ("r", 2), ("s", 3)]
    for part, forgotten in told:
        index.take(encode(Archived(period=1, part=part, rows=9, forgotten=forgotten)))
    assert index[1].part == "s"
    assert index.replaced == {"p": 1, "q": 1, "r": 1}
