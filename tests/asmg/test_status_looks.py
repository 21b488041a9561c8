"""What a watched status asks, and of whom: where windowing is comes from serving while it answers."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from status_telling import telling

from asmg.caller import Caller
from asmg.config import Settings
from asmg.hearing import Hearing
from asmg.status import Looks
from asmg.watch import Watch
from serving.board import Swap, rows
from stream.errors import BrokerError
from stream.positions import Position
from stream.topics import Topics
from trainer.announced import Announced


class _Silent:
    """A follower that hears nothing."""

    caught_up = True

    def __init__(self, *_: object) -> None:
        pass

    def poll(self, timeout: float) -> list[object]:
        return []


class _Kafka:
    """Where windowing is, as Kafka says it, and how often it was asked."""

    def __init__(self) -> None:
        self.asked, self.away = 0, False

    def positions(self, client: object, topics: Topics) -> dict[int, Position]:
        self.asked += 1
        if self.away:
            raise BrokerError("Kafka does not answer")
        return {0: Position(waiting=7), 1: Position(waiting=5)}


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> _Kafka:
    made = _Kafka()
    monkeypatch.setattr("asmg.status.positions", made.positions)
    return made


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """Has serving answer this, or nothing."""

    def say(answer: str | None) -> None:
        def fetched(_caller: Caller, address: str) -> str:
            if answer is None:
                raise ConnectionRefusedError(111, "Connection refused")
            return answer

        monkeypatch.setattr(Caller, "fetch", fetched)

    return say


@pytest.fixture
def looks(
    monkeypatch: pytest.MonkeyPatch, topics: Topics, announced: Announced, tmp_path: Path, kafka: _Kafka
) -> Looks:
    monkeypatch.setattr("stream.kafka.Follower", _Silent)
    watch = Watch({}, topics)
    watch.announced = announced
    return Looks(watch, Hearing(Settings(home=tmp_path)), None, topics)  # type: ignore[arg-type]


def test_kafka_is_asked_once_and_again_when_serving_falls_silent(
    looks: Looks,
    kafka: _Kafka,
    serving: Callable[[str | None], None],
    announced: Announced,
    swaps: dict[int, Swap],
) -> None:
    serving(json.dumps(telling(rows(announced, swaps))))
    assert looks.first().stages.lag["window_events"] == 12
    seen = looks.next()
    assert (seen.stages.lag["window_events"], kafka.asked) == (1_234, 1)
    assert seen.rows == rows(announced, swaps)  # what it took into service, and when
    serving(None)
    seen = looks.next()
    assert (seen.stages.lag["window_events"], kafka.asked) == (12, 2)
    assert seen.heard.silence is not None
    assert seen.freshness == [1.2, 1.2, 1.2]  # what was heard is not forgotten


def test_a_kafka_that_falls_silent_ends_no_watch_but_is_told_of(
    looks: Looks, kafka: _Kafka, serving: Callable[[str | None], None]
) -> None:
    serving(None)
    kafka.away = True
    with pytest.raises(BrokerError):
        looks.first()
    kafka.away = False
    looks.first()
    kafka.away = True
    seen = looks.next()
    assert seen.trouble == "Kafka does not answer"
    assert seen.stages.lag["window_events"] == 12  # as it was known last
    kafka.away = False
    assert looks.next().trouble is None
