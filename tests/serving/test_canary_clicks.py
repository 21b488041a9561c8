"""What comes back to impressions under a canary: taken once each, from the newest record on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from serving import clicks
from serving.canary import Arm, Canary
from serving.clicks import Clicks
from serving.impressions import Shown
from serving.settings import ServingSettings
from stream.errors import BrokerError
from stream.records import Kind
from stream.samples import Samples
from stream.topics import Topics

TOPICS = Topics("t.")
SETTINGS = ServingSettings(canary=0.2, canary_window=5)
#: Seconds that what was polled may take to be summed.
DEADLINE = 10

SamplesOf = Callable[[Sequence[Any]], Samples]


class Broker:
    """Kafka's seam: records that come one poll after the other."""

    def __init__(self) -> None:
        self.polls: list[list[Any]] = []
        self.places: Mapping[tuple[str, int], int] = {}
        self.idle = threading.Event()
        self.error: BrokerError | None = None

    def follower(self, _kafka: object, places: Mapping[tuple[str, int], int]) -> Any:
        self.places = places
        return SimpleNamespace(poll=self.poll, close=lambda: None)

    def poll(self, timeout: float, _limit: int) -> list[Any]:
        if self.polls:
            return self.polls.pop(0)
        self.idle.set()
        if self.error is not None:
            raise self.error
        threading.Event().wait(min(timeout, 0.005))
        return []


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker()
    ends = {0: (0, 0), 1: (4, 9), 2: (7, 7)}
    monkeypatch.setattr(clicks, "Follower", broker.follower)
    monkeypatch.setattr(clicks, "offsets", lambda _client, _topic, one: ends[one])
    monkeypatch.setattr(clicks, "consumer", lambda _kafka, wait: SimpleNamespace(close=lambda: None))  # noqa: ARG005
    return broker


def record(value: bytes | None, partition: int = 0) -> Any:
    return SimpleNamespace(value=lambda: value, partition=lambda: partition, offset=lambda: 5)


def impression(kind: Kind, score: str) -> str:
    (one,) = Shown("u", ["i"], [[]], 0, 3, [f"-{kind[0]}3-{score}"]).impressions()
    return one.impression_id


def samples(samples_of: SamplesOf, first: int, *labelled: tuple[str, int]) -> bytes:
    """A message of samples numbered from `first` on."""
    made = samples_of([("u", "i", {"impression": one, "label": label}) for one, label in labelled])
    made.number[:] = np.arange(first, first + len(labelled))
    return made.encode()


def after(broker: Broker, *polls: list[Any]) -> Canary:
    """What is told once these have been taken, where Θ* serves."""
    broker.polls = list(polls)
    with Clicks({}, TOPICS, 3, SETTINGS) as one:
        assert broker.idle.wait(DEADLINE)
        assert one.canary(None) is None
        told = one.canary("star")
        assert told is not None
        assert one.canary("theta") == Canary(0.2, told.arms[::-1])
    return told


def test_before_anything_came_back_both_are_there_and_nothing_is_said_of_them(broker: Broker) -> None:
    assert after(broker) == Canary(0.2, (Arm("star"), Arm("theta")))
    assert broker.places == {(TOPICS.samples, 0): 0, (TOPICS.samples, 1): 8, (TOPICS.samples, 2): 7}


def test_impressions_of_each_kind_are_summed_and_those_of_others_passed_over(
    broker: Broker, samples_of: SamplesOf
) -> None:
    one = samples(
        samples_of, 0, (impression("star", "0.5"), 1), ("", 1), ("p7", 0), (impression("theta", "0.25"), 0)
    )
    other = samples(samples_of, 0, (impression("star", "0.2"), 0))
    champion, challenger = after(broker, [record(one)], [record(b""), record(None), record(other, 1)]).arms
    assert champion == Arm("star", 2, 1, 0.5, pytest.approx(-(np.log(0.5) + np.log(0.8)) / 2))
    assert challenger == Arm("theta", 1, 0, 0.0, pytest.approx(-np.log(0.75)))


def test_only_the_last_impressions_of_a_kind_count(broker: Broker, samples_of: SamplesOf) -> None:
    star = samples(samples_of, 0, *((impression("star", "0.5"), one) for one in (1, 1, 1, 0, 0, 1, 0)))
    theta = samples(samples_of, 7, (impression("theta", "0.5"), 1))
    champion, challenger = after(broker, [record(theta, 1), record(star)]).arms
    assert (champion.impressions, champion.clicks) == (SETTINGS.canary_window, 2)
    assert (challenger.impressions, challenger.clicks) == (1, 1)


def test_what_windowing_writes_again_after_a_crash_counts_once(broker: Broker, samples_of: SamplesOf) -> None:
    ids = [impression("star", "0.5") for _ in range(3)]
    first = samples(samples_of, 10, (ids[0], 1), (ids[1], 0))
    again = samples(samples_of, 11, (ids[1], 0), (ids[2], 1))
    told = after(broker, [record(first), record(first)], [record(again)], [record(again)])
    assert (told.arms[0].impressions, told.arms[0].clicks) == (3, 2)


def test_a_record_nobody_can_read_is_named_and_passed_over(
    broker: Broker, samples_of: SamplesOf, caplog: pytest.LogCaptureFixture
) -> None:
    good = samples(samples_of, 0, (impression("star", "0.5"), 1))
    with caplog.at_level(logging.WARNING):
        told = after(broker, [record(b"no arrow", 2), record(good)])
    assert told.arms[0].impressions == 1
    assert ["partition 2, offset 5" in one.getMessage() for one in caplog.records] == [True]


def test_a_kafka_that_refuses_to_be_read_is_told_to_whoever_asks(broker: Broker) -> None:
    broker.error = BrokerError("refused")
    with Clicks({}, TOPICS, 3, SETTINGS) as one:
        assert broker.idle.wait(DEADLINE)
    with pytest.raises(BrokerError, match="refused"):
        one.canary("star")
