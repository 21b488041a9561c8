"""Serving against a real Kafka: what is announced is served within seconds, and what is shown comes back."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pyarrow as pa
import pytest
import torch

from serving.settings import ServingSettings
from serving.worker import serve
from stream import kafka
from stream.errors import ConfigurationError
from stream.records import Announcement, History, Kind, Manifest, Score, Serve, encode, now
from stream.replay.encode import partition_of
from stream.samples import Samples
from stream.settings import KafkaSettings, StreamSettings
from stream.store import ParquetStore
from stream.topics import Topics
from trainer.kafka import Workplace, put_all
from trainer.periods import BaseModel
from trainer.settings import TrainerSettings

pytestmark = pytest.mark.integration

#: Seconds that anything may take.
DEADLINE = 30
SEED, PARTITIONS = 3, 2
TRAINER = TrainerSettings(batch=16)
STREAM = StreamSettings(partitions=PARTITIONS, period_count=60, lateness=1_000)


@dataclass
class Shop:
    """A Kafka with our topics, and what trainer and metagen would write to them."""

    address: dict[str, object]
    topics: Topics
    store: ParquetStore
    random_period: Callable[..., Samples]
    base: BaseModel | None = None
    parent: str = ""

    def __post_init__(self) -> None:
        self.writer = kafka.Writer(self.address)
        self._manifest(0)

    def close_period(self, period: int, kind: Kind = "theta") -> Announcement:
        """Period `period` closes, is learnt, announced and said to serve."""
        manifest = self._manifest(period)
        samples = self.random_period(period, items=20 + 10 * period, categories=3)
        self.base = self.base or BaseModel.begin(TRAINER, SEED, torch.device("cpu"), samples)
        read = self.base.read(period, samples)
        measured = self.base.score(read)
        self.base.learn(read)
        model = Announcement(
            kind=kind,
            version=period,
            parts=put_all(self.store, self.base.parts()),
            parents={f"period/{period}": manifest.hash()},
            score=Score(auc=measured.auc, logloss=measured.logloss, rows=len(samples)),
            seconds={"train": 0.1, "write": 0.1},
            announced_at=now(),
        )
        self.writer.write(self.topics.models, encode(model))
        self.say(period, kind)
        return model

    def say(self, version: int, kind: Kind = "theta", **more: Any) -> None:
        word = Serve(period=version, kind=kind, version=version, reason="test", decided_at=now(), **more)
        self.writer.write(self.topics.serve, encode(word))
        self.writer.flush()

    def place(self) -> Workplace:
        return Workplace(self.address, self.topics, self.store, lambda _manifest: Samples.empty(), SEED)

    def _manifest(self, period: int) -> Manifest:
        made = Manifest(
            period=period,
            parent=self.parent,
            reason="count" if period else "settings",
            count=60 if period else 0,
            counts={"used": 60 * period, "produced": 60 * period},
            opened_at=now() - 3_000,
            closed_at=now(),
            last_event_at=now() - 100 if period else 0,
        )
        self.parent = made.hash()
        self.writer.write(self.topics.periods, encode(made))
        return made


@pytest.fixture
def shop(bootstrap: str, tmp_path: Path, random_period: Callable[..., Samples]) -> Shop:
    settings = KafkaSettings(prefix=f"{uuid.uuid4().hex}.")
    address = kafka.broker(settings, bootstrap)
    return Shop(
        address,
        kafka.ensure_topics(address, settings, PARTITIONS),
        ParquetStore(tmp_path / "store"),
        random_period,
    )


@dataclass
class Running:
    """Serving in a thread, and a client of it."""

    client: httpx.Client
    stop: threading.Event
    thread: threading.Thread

    def rank(self, **body: Any) -> httpx.Response:
        return self.client.post(
            "/rank", json={"user_id": "u1", "candidates": ["i1", "i2", "x"], "k": 2} | body
        )

    def until(self, ask: Callable[[], Any]) -> Any:
        """What `ask` answers once it is something."""
        deadline = time.monotonic() + DEADLINE
        while not (found := ask()):
            assert time.monotonic() < deadline
            threading.Event().wait(0.05)
        return found

    def until_served(self, version: int, kind: Kind = "theta") -> dict[str, Any]:
        def served() -> dict[str, Any] | None:
            response = self.rank()
            answer = response.json()
            found = response.status_code == 200 and (answer["model_version"], answer["kind"])
            return answer if found == (version, kind) else None

        return self.until(served)

    def end(self) -> None:
        self.stop.set()
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive()


@pytest.fixture
def start(shop: Shop, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    running: list[Running] = []

    def begin(**settings: Any) -> Running:
        file = tmp_path / f"port-{len(running)}"
        told = ServingSettings(port=0, metrics_port=0, port_file=file, **settings)
        stop = threading.Event()
        thread = threading.Thread(target=serve, args=(shop.place(), STREAM, TRAINER, told, stop))
        thread.start()
        deadline = time.monotonic() + DEADLINE
        while not (file.exists() and file.read_text().strip()):
            assert thread.is_alive()
            assert time.monotonic() < deadline
            threading.Event().wait(0.02)
        client = httpx.Client(base_url=f"http://127.0.0.1:{file.read_text().strip()}", timeout=DEADLINE)
        running.append(Running(client, stop, thread))
        return running[-1]

    yield begin
    for one in running:
        one.end()
        one.client.close()


def test_each_model_that_is_announced_and_said_to_serve_answers_within_seconds(
    shop: Shop, start: Callable[..., Running]
) -> None:
    running = start()
    assert running.rank().status_code == 503
    shop.close_period(1)
    running.until_served(1)
    shop.close_period(2, "star")
    answer = running.until_served(2, "star")
    assert answer["unknown_items"] == 1

    def shown() -> dict[str, Any] | None:
        state = running.client.get("/state").json()
        return state if [one["served"] is not None for one in state["periods"]] == [True, True] else None

    state = running.until(shown)
    assert state["serving"]["version"] == 2
    assert state["health"]["ok"]
    last = state["periods"][-1]
    assert last["served"] == {"version": 2, "kind": "star"}
    assert 0 < last["seconds"]["swap"] < last["seconds"]["close_to_served"] < last["freshness_seconds"] < 10
    assert state["counts"]["used"] == 120
    assert state["requests"]["total"] > 0

    shop.say(1, held_by="ada")
    running.until_served(1)
    shop.close_period(3)
    shop.say(1, held_by="ada", release=True)
    running.until_served(3)


def test_a_restart_serves_the_newest_word_again(shop: Shop, start: Callable[..., Running]) -> None:
    for period in (1, 2, 3):
        shop.close_period(period)
    first = start()
    answer = first.until_served(3)
    first.end()
    again = start().until_served(3)
    assert answer == again


def test_what_is_shown_comes_back_as_impressions_of_its_user(
    shop: Shop, start: Callable[..., Running]
) -> None:
    shop.close_period(1)
    running = start()
    running.until_served(1)
    items = running.rank(log=True).json()["items"]
    began = now()
    partition = int(partition_of(pa.array(["u1"]), PARTITIONS)[0])
    follower = kafka.Follower(shop.address, {(shop.topics.events, partition): 0})
    found = []
    while len(found) < 2:
        found += follower.poll(0.5)
        assert now() < began + DEADLINE * 1_000
    follower.close()
    events = [msgspec.json.decode(one.value()) for one in found]
    assert [one.key() for one in found] == [b"u1"] * 2
    assert [one["impression_id"] for one in events] == [one["impression_id"] for one in items]
    assert [one["item_id"] for one in events] == [one["item_id"] for one in items]
    assert {one["type"] for one in events} == {"impression"}
    assert all(abs(one["ts"] - began) < DEADLINE * 1_000 for one in events)
    assert running.until(lambda: running.client.get("/state").json()["events"]["total"] == 2)


def test_the_clock_of_the_stream_stamps_impressions_with_the_newest_event_time(
    shop: Shop, start: Callable[..., Running]
) -> None:
    shop.close_period(1)
    for partition, watermark in ((0, 5_000), (1, 7_000), (1, 6_500)):
        shop.writer.write(
            shop.topics.samples, b"", partition=partition, headers=[("watermark", b"%d" % watermark)]
        )
    shop.writer.flush()
    running = start(clock="stream")
    running.until_served(1)
    shop.writer.write(shop.topics.samples, b"", partition=0, headers=[("watermark", b"9000")])
    shop.writer.flush()
    running.until(lambda: running.rank(log=True).status_code == 200)
    partition = int(partition_of(pa.array(["u1"]), PARTITIONS)[0])
    follower = kafka.Follower(shop.address, {(shop.topics.events, partition): 0})

    def stamp() -> int | None:
        running.rank(log=True)
        records = follower.poll(0.2)
        return max((msgspec.json.decode(one.value())["ts"] for one in records), default=None)

    assert running.until(lambda: stamp() == 9_000 + STREAM.lateness)
    follower.close()


def test_a_history_that_is_told_changes_the_ranking(shop: Shop, start: Callable[..., Running]) -> None:
    shop.close_period(1)
    running = start()
    before = running.until_served(1)
    history = encode(History(items=["i1", "i2", "i3"], times=[3, 2, 1]))
    place = int(partition_of(pa.array(["u1"]), PARTITIONS)[0])
    shop.writer.write(shop.topics.histories, history, key=b"u1", partition=place)
    shop.writer.flush()
    running.until(lambda: running.rank().json()["items"] != before["items"])


def test_streams_of_changes_end_when_serving_does(shop: Shop, start: Callable[..., Running]) -> None:
    running = start()
    with running.client.stream("GET", "/events") as response:
        lines = response.iter_lines()
        assert next(lines) == "event: state"
        running.stop.set()
        for _ in lines:
            pass
    running.end()


def test_a_port_that_is_taken_is_named(shop: Shop, start: Callable[..., Running]) -> None:
    running = start()
    port = running.client.base_url.port
    with pytest.raises(ConfigurationError, match=rf"127\.0\.0\.1:{port}.*serving\.port"):
        serve(shop.place(), STREAM, TRAINER, ServingSettings(port=port, metrics_port=0), threading.Event())
