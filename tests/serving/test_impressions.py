"""Impressions reach `events` by their user's partition, and a Kafka that fails holds nobody up."""

from __future__ import annotations

import logging
import threading
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from serving import impressions
from serving.impressions import ImpressionLog, Shown
from stream.errors import BrokerError
from stream.replay.encode import partition_of

SHOWN = Shown("u1", ["a", "b"], [["c1"], []], 123, 7)


class Writer:
    """Kafka's seam: keeps what it is given once flushed, fails as often as told, may be slow."""

    written: list[tuple[bytes | None, dict[str, Any], int]]
    failures = 0
    gate: threading.Event

    def __init__(self, _kafka: object) -> None:
        self._queued: list[tuple[bytes | None, dict[str, Any], int]] = []

    def write(self, topic: str, value: bytes, *, key: bytes | None, partition: int) -> None:
        assert topic == "events"
        self._queued.append((key, msgspec.json.decode(value), partition))

    def flush(self) -> None:
        Writer.gate.wait(10)
        if Writer.failures:
            Writer.failures -= 1
            raise BrokerError("Kafka did not take a record")
        Writer.written += self._queued
        self._queued = []


@pytest.fixture(autouse=True)
def _seam(monkeypatch: pytest.MonkeyPatch) -> None:
    Writer.written, Writer.failures, Writer.gate = [], 0, threading.Event()
    Writer.gate.set()
    monkeypatch.setattr(impressions, "Writer", Writer)


def test_each_item_is_an_impression_in_the_partition_of_its_user() -> None:
    log = ImpressionLog({}, "events", 5)
    made = SHOWN.impressions()
    assert log.add(made)
    log.close()
    place = int(partition_of(pa.array(["u1"]), 5)[0])
    assert [(key, where) for key, _, where in Writer.written] == [(b"u1", place)] * 2
    assert [one for _, one, _ in Writer.written] == [
        {
            "type": "impression",
            "impression_id": one.impression_id,
            "user_id": "u1",
            "item_id": item,
            "categories": categories,
            "ts": 123,
            "model_version": 7,
        }
        for one, item, categories in zip(made, ["a", "b"], [["c1"], []], strict=True)
    ]


def test_ids_are_never_given_twice() -> None:
    ids = [one.impression_id for _ in range(100) for one in SHOWN.impressions()]
    assert len(set(ids)) == 200


def test_a_failure_is_logged_once_and_the_next_are_written(caplog: pytest.LogCaptureFixture) -> None:
    Writer.failures = 1
    log = ImpressionLog({}, "events", 1)
    with caplog.at_level(logging.ERROR):
        log.add(SHOWN.impressions())
        log.close()
    assert Writer.written == []
    assert len(caplog.records) == 1
    log = ImpressionLog({}, "events", 1)
    log.add(SHOWN.impressions())
    log.close()
    assert len(Writer.written) == 2


def test_where_too_many_wait_no_more_are_taken_and_nobody_is_held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(impressions, "WAITING", 3)
    Writer.gate.clear()
    log = ImpressionLog({}, "events", 1)
    taken = sum(log.add(SHOWN.impressions()) for _ in range(50))
    assert 3 <= taken < 50
    Writer.gate.set()
    log.close()
    assert len(Writer.written) == 2 * taken
