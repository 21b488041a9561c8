"""The feed: histories from their beginning, and the stream's time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from serving import feed
from serving.feed import Feed
from serving.histories import Histories
from stream.errors import BrokerError
from stream.records import History, encode
from stream.settings import StreamSettings
from stream.topics import Topics

TOPICS = Topics("t.")
STREAM = StreamSettings(partitions=2, lateness=1_000)
#: Seconds a feed may take to read what is there.
DEADLINE = 10


class Broker:
    """Kafka's seam: offsets of every partition, and records that come one poll after the other."""

    def __init__(self) -> None:
        self.ends: dict[str, tuple[int, int]] = {}
        self.polls: list[list[Any]] = []
        self.places: Mapping[tuple[str, int], int] = {}
        self.away = False
        self.idle = threading.Event()

    def offsets(self, _client: object, topic: str, _partition: int) -> tuple[int, int]:
        if self.away:
            raise BrokerError("away")
        return self.ends.get(topic, (0, 0))

    def follower(self, _kafka: object, places: Mapping[tuple[str, int], int]) -> Any:
        self.places = places
        return SimpleNamespace(poll=self.poll, behind=lambda _topic: len(self.polls), close=lambda: None)

    def poll(self, timeout: float, _limit: int) -> list[Any]:
        if self.polls:
            return self.polls.pop(0)
        self.idle.set()
        threading.Event().wait(min(timeout, 0.005))
        return []


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker()
    monkeypatch.setattr(feed, "Follower", broker.follower)
    monkeypatch.setattr(feed, "offsets", broker.offsets)
    monkeypatch.setattr(feed, "consumer", lambda _kafka, wait: SimpleNamespace(close=lambda: None))  # noqa: ARG005
    return broker


def record(topic: str, key: bytes = b"", value: bytes = b"", **headers: bytes) -> Any:
    return SimpleNamespace(
        topic=lambda: topic, key=lambda: key, value=lambda: value, headers=lambda: list(headers.items())
    )


def run(one: Feed, broker: Broker, until: Callable[[], bool] = lambda: True) -> None:
    """The feed until everything was read and the condition holds."""
    stop = threading.Event()
    thread = threading.Thread(target=one.run, args=(stop,))
    thread.start()
    assert broker.idle.wait(DEADLINE)
    for _ in range(DEADLINE * 100):
        if until():
            break
        threading.Event().wait(0.01)
    stop.set()
    thread.join(DEADLINE)
    assert until()


def test_the_streams_time_is_the_largest_watermark_and_the_lateness(broker: Broker) -> None:
    broker.ends[TOPICS.samples] = (3, 9)
    watermarks = [b"5000", b"7000", b"6000", b"soon"]
    broker.polls = [[record(TOPICS.samples, watermark=one)] for one in watermarks] + [
        [record(TOPICS.samples)]
    ]
    one = Feed({}, TOPICS, STREAM, Histories(), with_time=True)
    assert one.now() is None
    assert broker.places[TOPICS.samples, 1] == 8
    run(one, broker)
    assert one.now() == 8_000


def test_samples_are_not_followed_where_the_wall_clock_stamps(broker: Broker) -> None:
    Feed({}, TOPICS, STREAM, Histories(), with_time=False)
    assert {topic for topic, _ in broker.places} == {TOPICS.histories}


def test_histories_are_taken_from_the_first_that_is_kept(broker: Broker) -> None:
    broker.ends[TOPICS.histories] = (4, 6)
    histories = Histories()
    broker.polls = [[record(TOPICS.histories, b"u", encode(History(items=["a"], times=[1])))]]
    run(Feed({}, TOPICS, STREAM, histories, with_time=False), broker)
    assert broker.places == {(TOPICS.histories, 0): 4, (TOPICS.histories, 1): 4}
    assert histories.of("u") == ("a",)
