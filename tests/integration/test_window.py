"""Windowing and closing against a real Kafka: samples, manifests and D_t, whoever shares the work or dies."""

import json
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from prometheus_client import REGISTRY
from working import at_work

from stream import kafka
from stream.close.read import PeriodReader
from stream.errors import ConfigurationError
from stream.records import History, Manifest, decode
from stream.replay import Choices, open_source
from stream.replay.encode import partition_of
from stream.replay.worker import Plan, replay
from stream.settings import KafkaSettings, StreamSettings
from stream.store import ParquetStore
from stream.topics import Topics
from stream.window.log import tick
from stream.window.worker import window

pytestmark = pytest.mark.integration

#: Seconds within which everything in these tests has to have happened.
DEADLINE = 60.0

#: A window worker in a process of its own, to be killed: bootstrap servers, prefix, store, settings as JSON.
PROCESS = """
import sys, threading
from pathlib import Path
from stream.settings import StreamSettings
from stream.signals import stop_on_signals
from stream.store import ParquetStore
from stream.topics import Topics
from stream.window.worker import window

bootstrap, prefix, store, settings = sys.argv[1:]
broker = {"bootstrap.servers": bootstrap}
window(broker, Topics(prefix), ParquetStore(Path(store)), StreamSettings.model_validate_json(settings),
       stop_on_signals())
"""

SETTINGS = StreamSettings(period_count=1000, metrics_port=0, lateness=1000, window=60_000, idle_after=300)


@pytest.fixture
def begin(bootstrap: str) -> Callable[[int], tuple[dict[str, object], Topics]]:
    """Makes topics of their own for that many partitions."""

    def make(partitions: int = 4) -> tuple[dict[str, object], Topics]:
        prefix = f"test-window-{uuid.uuid4().hex[:8]}."
        broker = {"bootstrap.servers": bootstrap}
        return broker, kafka.ensure_topics(broker, KafkaSettings(prefix=prefix), partitions)

    return make


class Reader:
    """All records of a topic, read until a condition holds."""

    def __init__(self, broker: dict[str, object], topic: str, partitions: int = 1) -> None:
        self._follower = kafka.Follower(broker, {(topic, one): 0 for one in range(partitions)})
        self.records: list = []

    def until(self, holds: Callable[[list], bool]) -> list:
        deadline = time.monotonic() + DEADLINE
        while not holds(self.records):
            assert time.monotonic() < deadline, f"not within {DEADLINE:.0f} s; {len(self.records)} records"
            self.records += self._follower.poll(kafka.GLANCE)
        return self.records


def manifests(broker: dict[str, object], topics: Topics, last: Callable[[Manifest], bool]) -> list[Manifest]:
    """The manifests up to the one that is meant."""
    reader, found = Reader(broker, topics.periods), []
    reader.until(lambda records: any(last(decode(Manifest, one.value())) for one in records))
    for one in reader.records:
        manifest = decode(Manifest, one.value())
        if manifest.period == len(found):
            found.append(manifest)
    return found


def agreed(found: list[Manifest]) -> list[tuple]:
    return [(one.period, one.reason, one.cut, one.count, one.positives, one.sha256) for one in found[1:]]


def ended(manifest: Manifest) -> bool:
    return manifest.reason == "end"


def send(broker: dict[str, object], topics: Topics, events: list[dict], partitions: int = 4) -> None:
    writer = kafka.Writer(broker)
    places = partition_of(pa.array([str(one["user_id"]) for one in events]), partitions).tolist()
    for one, place in zip(events, places, strict=True):
        writer.write(topics.events, json.dumps(one).encode(), partition=place)
    writer.flush()


def end(broker: dict[str, object], topics: Topics, watermark: int, partitions: int = 4) -> None:
    writer = kafka.Writer(broker)
    for place in range(partitions):
        writer.write(topics.events, tick(watermark, end=True), partition=place)
    writer.flush()


def lag(partition: int) -> float | None:
    """What this process tells of a partition."""
    return REGISTRY.get_sample_value("asmg_window_lag_events", {"partition": str(partition)})


def test_events_become_a_period_whose_samples_can_be_read_back(begin, tmp_path):
    broker, topics = begin()
    shown = [
        {
            "type": "impression",
            "impression_id": f"p{n}",
            "user_id": f"u{n % 5}",
            "item_id": f"i{n}",
            "ts": n * 10,
        }
        for n in range(50)
    ]
    clicks = [
        {
            "type": "click",
            "impression_id": f"p{n}",
            "user_id": f"u{n % 5}",
            "item_id": f"i{n}",
            "ts": n * 10 + 3,
        }
        for n in range(0, 50, 3)
    ]
    stray = {"type": "click", "impression_id": "nobody's", "user_id": "u1", "item_id": "i1", "ts": 5}
    send(broker, topics, [*shown, *clicks, stray])
    end(broker, topics, 1_000_000)
    with at_work(window, broker, topics, ParquetStore(tmp_path), SETTINGS):
        settings, period = manifests(broker, topics, ended)
        dead = Reader(broker, topics.dead_letters).until(bool)
        told = Reader(broker, topics.histories, 4).until(lambda found: len({one.key() for one in found}) == 5)
        assert {lag(one) for one in range(4)} == {0.0}
    assert {lag(one) for one in range(4)} == {None}  # who has given a partition away tells of it no more
    assert settings.settings == SETTINGS.shape()
    assert (period.count, period.positives) == (50, 17)
    assert period.counts == {
        "used": 67, "pending": 0, "late": 0, "delayed": 0, "duplicate": 0, "dead": 1, "produced": 68
    }  # fmt: skip
    samples = PeriodReader(broker, topics)(period)
    items = samples.items.take(samples.item).to_pylist()
    assert sorted(items) == sorted(one["item_id"] for one in shown)
    assert [item for item, label in zip(items, samples.label, strict=True) if label] == [
        one["item_id"] for one in clicks
    ]
    assert json.loads(dead[0].value()) == stray
    assert b"unknown impression" in kafka.header(dead[0], "reason")
    last = {one.key(): decode(History, one.value()) for one in told}
    assert last[b"u0"].items == ["i45", "i30", "i15", "i0"]


def test_a_partition_nobody_writes_to_holds_nothing_back(begin, tmp_path):
    broker, topics = begin()
    clicks = [{"type": "click", "user_id": "u", "item_id": f"i{n}", "ts": n * 100} for n in range(1500)]
    with at_work(window, broker, topics, ParquetStore(tmp_path), SETTINGS):
        send(broker, topics, clicks)
        found = manifests(broker, topics, lambda one: one.period == 1)
    assert (found[1].reason, found[1].count) == ("count", 1000)


def test_after_a_pause_of_all_partitions_the_second_to_go_on_is_in_time(begin, tmp_path):
    broker, topics = begin(2)
    settings = SETTINGS.model_copy(update={"partitions": 2, "idle_after": 4_000})
    users = [f"u{n}" for n in range(20)]
    places = dict(zip(partition_of(pa.array(users), 2).tolist(), users, strict=True))

    def click(partition: int, ts: int) -> None:
        event = {"type": "click", "user_id": places[partition], "item_id": "i", "ts": ts}
        send(broker, topics, [event], 2)

    def reached(watermark: int) -> Callable[[list], bool]:
        return lambda found: any(int(kafka.header(one, "watermark") or 0) >= watermark for one in found)

    with at_work(window, broker, topics, ParquetStore(tmp_path), settings):
        click(0, 10_000)
        click(1, 10_000)
        Reader(broker, topics.samples, 2).until(reached(9_000))
        time.sleep(5)  # the pause: both stand still for longer than idle_after
        click(0, 1_000_000)
        Reader(broker, topics.samples, 2).until(reached(999_000))
        time.sleep(1.5)  # the other is behind for longer than it takes to ask where partitions end
        click(1, 500_000)
        end(broker, topics, 2_000_000, 2)
        found = manifests(broker, topics, ended)
    assert (found[-1].counts["used"], found[-1].counts["late"]) == (4, 0)


def test_a_worker_with_other_settings_refuses_and_says_which(begin, tmp_path):
    broker, topics = begin()
    with at_work(window, broker, topics, ParquetStore(tmp_path), SETTINGS):
        manifests(broker, topics, lambda one: one.period == 0)
    other = SETTINGS.model_copy(update={"window": 5})
    with (
        pytest.raises(ConfigurationError, match=r"stream.window is 5, .* begun with 60000"),
        at_work(window, broker, topics, ParquetStore(tmp_path), other),
    ):
        pass


def test_periods_are_the_same_by_time_and_count_whatever_the_partitions_and_the_batches(begin, tmp_path):
    source = open_source("synthetic", None, Choices(events=12_000))
    found = []
    for partitions, batch in ((1, 8192), (4, 8192), (4, 97)):
        broker, topics = begin(partitions)
        settings = SETTINGS.model_copy(
            update={
                "period_count": 300,
                "period_span": 86_400_000,
                "partitions": partitions,
                "batch": batch,
                "checkpoint_every": 50,
            }
        )
        plan = Plan(topics.events, settings.lateness, settings.window, chunk=500)
        replay(source, broker, plan, stop=threading.Event())
        with at_work(window, broker, topics, ParquetStore(tmp_path / f"{partitions}-{batch}"), settings):
            found.append(agreed(manifests(broker, topics, ended)))
    assert found[0] == found[1] == found[2]
    assert {one[1] for one in found[0]} == {"count", "time", "end"}


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen]]:
    """Whoever is in it at the end is killed."""
    running: list[subprocess.Popen] = []
    yield running
    for one in running:
        one.kill()
        one.wait()


def test_killed_paused_and_shared_workers_number_and_cut_as_one_that_nobody_disturbed(
    begin, tmp_path, processes
):
    source = open_source("synthetic", None, Choices(events=40_000))
    settings = SETTINGS.model_copy(update={"batch": 200, "checkpoint_every": 100})
    broker, topics = begin()
    plan = Plan(topics.events, settings.lateness, settings.window, chunk=500)
    replay(source, broker, plan, stop=threading.Event())
    with at_work(window, broker, topics, ParquetStore(tmp_path / "calm"), settings):
        calm = manifests(broker, topics, ended)

    broker, topics = begin()

    def start() -> subprocess.Popen:
        arguments = [
            broker["bootstrap.servers"],
            topics.prefix,
            tmp_path / "store",
            settings.model_dump_json(),
        ]
        command = [sys.executable, "-c", PROCESS, *map(str, arguments)]
        processes.append(subprocess.Popen(command, cwd=Path(__file__).parents[2]))
        return processes[-1]

    first, second = start(), start()
    plan = Plan(topics.events, settings.lateness, settings.window, chunk=500)
    sender = threading.Thread(target=replay, args=(source, broker, plan), kwargs={"stop": threading.Event()})
    sender.start()
    samples = Reader(broker, topics.samples, 4)
    samples.until(lambda found: len(found) > 40)
    first.send_signal(signal.SIGKILL)
    first.wait()
    second.send_signal(signal.SIGSTOP)  # longer than the group waits for it
    third = start()
    seen = len(samples.records)
    samples.until(lambda found: len(found) > seen + 20)
    second.send_signal(signal.SIGCONT)  # a zombie that writes on from where it was
    seen = len(samples.records)
    samples.until(lambda found: len(found) > seen + 20)
    third.send_signal(signal.SIGKILL)
    third.wait()
    disturbed = manifests(broker, topics, ended)
    sender.join(DEADLINE)
    assert agreed(disturbed) == agreed(calm)
    assert [one.hash() for one in disturbed] == [one.hash() for one in calm]
    second.terminate()
    assert second.wait(DEADLINE) == 0
    read = PeriodReader(broker, topics)
    assert [len(read(one)) for one in disturbed[1:]] == [one.count for one in calm[1:]]
