"""The replay against a real Kafka: what is there after it was killed, stopped, or sent beside others."""

import json
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from stream import kafka as asking
from stream.errors import BrokerError
from stream.replay import Choices, Source, open_source, worker
from stream.replay.encode import partition_of
from stream.replay.worker import Plan, Trained, replay

pytestmark = pytest.mark.integration

PARTITIONS = 4
LATENESS, WINDOW = 60_000, 600_000
EVENTS = 20_000

#: A replay in a process of its own, to be killed: bootstrap servers, topic, speed.
PROCESS = f"""
import sys
from stream.replay import Choices, open_source
from stream.replay.worker import Plan, replay
from stream.signals import stop_on_signals

bootstrap, topic, speed = sys.argv[1:]
plan = Plan(topic, {LATENESS}, {WINDOW}, float(speed), chunk=500)
source = open_source("synthetic", None, Choices(events={EVENTS}))
replay(source, {{"bootstrap.servers": bootstrap}}, plan, stop=stop_on_signals())
"""


@pytest.fixture
def topics(bootstrap: str) -> Iterator[Callable[[str, int], str]]:
    """Makes topics that are gone afterwards."""
    admin, made = AdminClient({"bootstrap.servers": bootstrap}), []

    def make(name: str, partitions: int) -> str:
        made.append(f"test-replay-{name}-{uuid.uuid4().hex[:8]}")
        for future in admin.create_topics([NewTopic(made[-1], partitions, 1)]).values():
            future.result(20)
        return made[-1]

    yield make
    for future in admin.delete_topics(made).values():
        future.result(20)


@pytest.fixture
def topic(topics: Callable[[str, int], str]) -> str:
    return topics("events", PARTITIONS)


@pytest.fixture(scope="module")
def shop() -> Source:
    return open_source("synthetic", None, Choices(events=EVENTS))


def kafka(bootstrap: str) -> dict[str, object]:
    return {"bootstrap.servers": bootstrap}


def plan(topic: str, speed: float = float("inf")) -> Plan:
    return Plan(topic, LATENESS, WINDOW, speed, chunk=500)


def records(bootstrap: str, topic: str) -> list[list[Message]]:
    """By partition what it holds."""
    consumer = Consumer({**kafka(bootstrap), "group.id": "test", "enable.partition.eof": True})
    found: list[list[Message]] = []
    for partition in range(PARTITIONS):
        end = asking.offsets(consumer, topic, partition)[1]
        consumer.assign([TopicPartition(topic, partition, 0)])
        held: list[Message] = []
        while len(held) < end:
            held += [message for message in consumer.consume(1000, 0.2) if message.error() is None]
        found.append(held)
    consumer.close()
    return found


def rows(messages: list[Message]) -> list[int]:
    """The rows of the events among the records; a tick has no key."""
    return [int(dict(message.headers())["row"]) for message in messages if message.key() is not None]


def ends(messages: list[Message]) -> int:
    return sum(json.loads(message.value()).get("end", False) for message in messages)


def assert_complete(bootstrap: str, topic: str, source: Source) -> None:
    """Each partition holds its rows, each once, in order, and one end behind them."""
    users = source.events["user_id"].chunk(0)
    place = partition_of(users.dictionary, PARTITIONS)[users.indices.to_numpy()]
    for partition, held in enumerate(records(bootstrap, topic)):
        assert rows(held) == np.flatnonzero(place == partition).tolist()
        assert ends(held) == 1
        assert json.loads(held[-1].value())["end"]


def start(bootstrap: str, topic: str, speed: float = float("inf")) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PROCESS, bootstrap, topic, str(speed)])


def wait_for_records(bootstrap: str, topic: str, at_least: int) -> None:
    consumer, deadline = asking.consumer(kafka(bootstrap), wait=10), time.monotonic() + 60
    while sum(asking.offsets(consumer, topic, place)[1] for place in range(PARTITIONS)) < at_least:
        assert time.monotonic() < deadline, "the replay sends nothing"
    consumer.close()


def test_a_replay_writes_every_row_once_in_order_and_one_end_to_every_partition(
    bootstrap: str, topic: str, shop: Source
) -> None:
    assert replay(shop, kafka(bootstrap), plan(topic), stop=threading.Event()) == len(shop)
    assert_complete(bootstrap, topic, shop)


def test_partitions_and_headers_are_what_every_other_producer_would_choose(
    bootstrap: str, topics: Callable[[str, int], str], shop: Source
) -> None:
    topic, other = topics("events", PARTITIONS), topics("events", PARTITIONS)
    replay(shop, kafka(bootstrap), plan(topic), stop=threading.Event())
    producer = Producer({**kafka(bootstrap), "partitioner": "murmur2_random"})
    for user in shop.events["user_id"].unique().to_pylist():
        producer.produce(other, key=user)
    assert producer.flush(20) == 0
    expected = [{message.key() for message in held} for held in records(bootstrap, other)]
    replayed = records(bootstrap, topic)
    assert [{message.key() for message in held} - {None} for held in replayed] == expected
    for message in replayed[0]:
        headers = dict(message.headers())
        assert headers["source"].decode() == shop.name
        assert headers["schema"] == b"1"


def test_ticks_follow_each_chunk_and_never_overtake_an_event(
    bootstrap: str, topic: str, shop: Source
) -> None:
    replay(shop, kafka(bootstrap), plan(topic), stop=threading.Event())
    last = int(shop.events["ts"][-1].as_py())
    for held in records(bootstrap, topic):
        watermark = 0
        values = [json.loads(message.value()) for message in held]
        for value in values:
            if value["type"] == "tick":
                watermark = max(watermark, value["watermark"])
            else:
                assert value["ts"] >= watermark
        assert sum(value["type"] == "tick" for value in values) == -(-len(shop) // 500) + 1
        assert values[-1] == {"type": "tick", "watermark": last + LATENESS + WINDOW + 1, "end": True}


@pytest.mark.parametrize("kills", [[1], [3_000], [1_000, 5_000, 9_000, 16_000]])
def test_a_replay_that_is_killed_goes_on_without_a_gap_or_a_double(
    bootstrap: str, topic: str, shop: Source, kills: list[int]
) -> None:
    month = 31 * 24 * 60 * 60
    for held in kills:
        process = start(bootstrap, topic, speed=month / 8)
        wait_for_records(bootstrap, topic, held)
        process.kill()
        process.wait()
    replay(shop, kafka(bootstrap), plan(topic), stop=threading.Event())
    assert_complete(bootstrap, topic, shop)


def test_a_replay_that_finished_sends_nothing_when_started_again(
    bootstrap: str, topic: str, shop: Source
) -> None:
    replay(shop, kafka(bootstrap), plan(topic), stop=threading.Event())
    assert replay(shop, kafka(bootstrap), plan(topic), stop=threading.Event()) == 0
    assert_complete(bootstrap, topic, shop)


def test_what_others_wrote_behind_a_replay_does_not_hide_where_it_was(
    bootstrap: str, topic: str, shop: Source
) -> None:
    stop = threading.Event()
    replay(shop, kafka(bootstrap), plan(topic), stop=stop, on_progress=lambda *_: stop.set())
    producer = Producer(kafka(bootstrap))
    for partition in range(PARTITIONS):
        for number in range(3_000):
            producer.produce(topic, b"{}", b"u", partition, headers={"source": "other", "row": str(number)})
    assert producer.flush(20) == 0
    assert replay(shop, kafka(bootstrap), plan(topic), stop=threading.Event()) == len(shop) - 500
    for held in records(bootstrap, topic):
        mine = [message for message in held if dict(message.headers())["source"] == shop.name.encode()]
        assert rows(mine) == sorted(set(rows(mine)))


def test_two_sources_in_one_topic_do_not_know_of_each_other(bootstrap: str, topic: str, shop: Source) -> None:
    other = open_source("synthetic", None, Choices(events=2_000, seed=1))
    assert replay(shop, kafka(bootstrap), plan(topic), stop=threading.Event()) == len(shop)
    assert replay(other, kafka(bootstrap), plan(topic), stop=threading.Event()) == len(other)


def test_a_partition_that_held_later_rows_than_the_others_gets_none_of_them_again(
    bootstrap: str, topic: str, shop: Source
) -> None:
    encoder = worker.Encoder(shop.events)
    place = encoder.partitions(PARTITIONS)
    producer = Producer(kafka(bootstrap))
    for key, value, row in encoder.encode(0, 3_000):  # as if killed with one partition far before the others
        if place[row] == 2 or row < 700:
            headers = [("source", shop.name.encode()), ("row", str(row).encode())]
            producer.produce(topic, value, key, int(place[row]), headers=headers)
    assert producer.flush(20) == 0
    stop = threading.Event()
    replay(shop, kafka(bootstrap), plan(topic), stop=stop, on_progress=lambda *_: stop.set())
    replay(shop, kafka(bootstrap), plan(topic), stop=threading.Event())
    assert_complete(bootstrap, topic, shop)


def test_sigterm_stops_a_replay_cleanly_and_without_an_end(bootstrap: str, topic: str, shop: Source) -> None:
    process = start(bootstrap, topic, speed=1000.0)
    wait_for_records(bootstrap, topic, 4)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    held = records(bootstrap, topic)
    assert sum(ends(messages) for messages in held) == 0
    assert 0 < sum(len(rows(messages)) for messages in held) < len(shop)


def test_a_paced_replay_waits_until_periods_are_served(
    bootstrap: str, topics: Callable[[str, int], str], topic: str, shop: Source
) -> None:
    samples, periods, serve = topics("samples", PARTITIONS), topics("periods", 1), topics("serve", 1)
    producer, stop = Producer(kafka(bootstrap)), threading.Event()
    for period in range(3):
        producer.produce(periods, msgspec.json.encode({"period": period}))
    assert producer.flush(20) == 0
    trained = Trained(
        shop, kafka(bootstrap), samples=samples, periods=periods, serve=serve, lateness=LATENESS, ahead=1_000
    )
    seen: list[int] = []
    runner = threading.Thread(
        target=replay,
        args=(shop, kafka(bootstrap), plan(topic)),
        kwargs={"stop": stop, "may_send": trained, "on_progress": lambda done, *_: seen.append(done)},
    )

    def until(done: int) -> None:
        deadline = time.monotonic() + 30
        while done not in seen:
            assert time.monotonic() < deadline, seen
            threading.Event().wait(0.01)

    runner.start()
    wait = threading.Event()
    wait.wait(1.5)  # nothing may happen, so there is no condition to wait on
    held_back = list(seen)
    producer.produce(serve, msgspec.json.encode({"period": 1, "kind": "theta"}))
    producer.flush(20)
    until(1_500)
    watermark = int(shop.events["ts"][3_999].as_py()) - LATENESS
    for partition in range(PARTITIONS):
        producer.produce(samples, b"", partition=partition, headers={"watermark": str(watermark)})
    producer.flush(20)
    until(5_500)
    at_the_end = max(seen)
    stop.set()
    runner.join(20)
    trained.close()
    assert held_back == []
    assert at_the_end == 5_500


def test_a_kafka_that_does_not_answer_is_an_error_of_one_line(
    monkeypatch: pytest.MonkeyPatch, shop: Source
) -> None:
    monkeypatch.setattr(asking, "ANSWER", 1.0)
    with pytest.raises(BrokerError, match=r"^Kafka does not answer: .*; is it running\?$"):
        replay(shop, kafka("127.0.0.1:1"), plan("events"), stop=threading.Event())


def test_a_topic_that_is_not_there_is_named(
    bootstrap: str, monkeypatch: pytest.MonkeyPatch, shop: Source
) -> None:
    monkeypatch.setattr(asking, "PATIENCE", 1.0)
    with pytest.raises(BrokerError, match=r"^topic test-replay-none cannot be used: "):
        replay(shop, kafka(bootstrap), plan("test-replay-none"), stop=threading.Event())


def test_an_event_kafka_refuses_for_good_ends_the_replay(bootstrap: str, topic: str, tmp_path: Path) -> None:
    row = {"user_id": ["u"], "item_id": ["i"], "timestamp": [1], "categories": [["c" * 2_000_000]]}
    pa.parquet.write_table(pa.table(row), tmp_path / "clicks.parquet")
    source = open_source("clicks", tmp_path)
    with pytest.raises(BrokerError, match="Kafka refused an event"):
        replay(source, kafka(bootstrap), plan(topic), stop=threading.Event())
