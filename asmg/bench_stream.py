"""`asmg bench stream`: how fast one window worker joins events and closes periods with everything else idle.

A Kafka of its own is filled first; then the backlog is read twice: by a consumer that decodes nothing, which
is the limit on this machine, and by a window worker, from the moment it begins to read to its last manifest.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from confluent_kafka import Consumer, KafkaError, TopicPartition
from rich.console import Console

from asmg.broker import attached
from asmg.config import Settings
from asmg.options import settings_of, source_of
from asmg.staging import closing, written
from asmg.supervise import Supervisor, Worker
from asmg.watch import Watch
from stream import kafka
from stream.positions import all_closed, positions
from stream.replay import CLICK, EVENTS, Source
from stream.replay.progress import Bar
from stream.replay.source import list_of_none
from stream.replay.worker import Plan, replay
from stream.topics import Topics

#: Users and items of the clicks that are made up, and the exponent of the items' popularity.
USERS, ITEMS, SKEW = 50_000, 20_000, 0.8

#: Time between two clicks that are made up, in ms, on average.
STEP = 100

#: Where the made-up clicks begin: 2024-01-01 (UTC), in ms.
START = 1_704_067_200_000

#: Records the limit is read in at a time.
_BLOCK = 10_000


@dataclass(frozen=True)
class Speeds:
    """What was measured."""

    events: int
    periods: int
    timed: int  # of the events: those that came after the first that windowing wrote of
    seconds: float  # that these took the window worker, to its last manifest
    limit_seconds: float  # of reading alone

    def described(self) -> dict[str, float | int]:
        """As `--json` writes it."""
        return {
            "events": self.events,
            "periods": self.periods,
            "events_per_second": round(self.timed / self.seconds),
            "limit_events_per_second": round(self.events / self.limit_seconds),
            "ratio": round(self.timed / self.seconds * self.limit_seconds / self.events, 4),
            "cpus": os.cpu_count() or 0,
        }


def bench_stream(
    data: Path | None, dataset: str | None, *, events: int, periods: int, as_json: bool, sets: tuple[str, ...]
) -> None:
    """Measure and print. Raises: AsmgError."""
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="asmg-bench-") as folder:
        home = Path(folder)
        seed = settings_of(sets, home).stream.seed
        source = clicks(events, seed) if data is None and dataset is None else source_of(data, dataset)[1]
        shaped = written({"stream": closing(settings_of(sets, home), source.samples, periods)})
        with attached(settings_of(sets, home).kafka, home) as broker:
            place = written({"kafka": {"bootstrap": broker["bootstrap.servers"]}})
            sets = (*sets, *shaped, *place, *written({"stream": {"metrics_port": 0}}))
            measured = _measure(settings_of(sets, home), sets, source, broker, console)
    found = measured.described()
    if as_json:
        print(json.dumps(found))
        return
    print(
        f"{found['events']:,} events, {found['periods']} periods closed: "
        f"{found['events_per_second']:,} events/s; "
        f"reading alone {found['limit_events_per_second']:,} events/s, ratio {found['ratio']:.2f}"
    )


def clicks(count: int, seed: int) -> Source:
    """Clicks without impressions: users alike, items popular by a power law, random times in order."""
    random = np.random.default_rng([seed, count])
    weight = np.arange(1, ITEMS + 1, dtype=np.float64) ** -SKEW
    item = random.choice(ITEMS, count, p=weight / weight.sum()).astype(np.int32)
    user = random.integers(0, USERS, count).astype(np.int32)
    ts = START + np.cumsum(random.integers(0, 2 * STEP + 1, count))
    columns = [
        pa.array(np.full(count, CLICK, np.int8)),
        pa.nulls(count, pa.string()),
        pa.DictionaryArray.from_arrays(pa.array(user), pa.array([f"u{one}" for one in range(USERS)])),
        pa.DictionaryArray.from_arrays(pa.array(item), pa.array([f"i{one}" for one in range(ITEMS)])),
        list_of_none(count),
        pa.array(ts),
    ]
    name = hashlib.sha256(repr(("bench", count, seed)).encode()).hexdigest()[:16]
    return Source(f"bench-{name}", pa.table(columns, schema=EVENTS))


def _measure(
    settings: Settings, sets: tuple[str, ...], source: Source, broker: Mapping[str, object], console: Console
) -> Speeds:
    topics = kafka.ensure_topics(broker, settings.kafka, settings.stream.partitions)
    with Bar(source.name, console) as bar:
        plan = Plan(topics.events, settings.stream.lateness, settings.stream.window)
        replay(source, broker, plan, stop=threading.Event(), on_progress=bar)
    limit = _read_alone(broker, topics)
    flags = ["--home", str(settings.home), *(part for one in sets for part in ("--set", one))]
    supervisor = Supervisor(settings.home / "logs")
    supervisor.start([Worker("window", [sys.executable, "-m", "asmg", "window", *flags])])
    try:
        return _until_closed(broker, topics, supervisor, len(source), limit)
    finally:
        supervisor.stop()


def _until_closed(
    broker: Mapping[str, object], topics: Topics, supervisor: Supervisor, events: int, limit: float
) -> Speeds:
    client = kafka.consumer(broker, wait=10)
    try:
        with Watch(broker, topics) as watch:
            while not all_closed(positions(client, topics), watch.announced.manifests):
                time.sleep(kafka.GLANCE * 4)  # looking more often would be measured too
                supervisor.look()
                watch.look()
            manifests = watch.announced.manifests
        began, before = _first(client, topics)
        seconds = manifests[-1].closed_at / 1000 - began
        return Speeds(events, len(manifests) - 1, events - before, seconds, limit)
    finally:
        client.close()


def _first(client: Consumer, topics: Topics) -> tuple[float, int]:
    """When the first record of `samples` was written, in seconds since 1970, and how many events made it."""
    first = [
        message
        for partition in range(kafka.partitions_of(client, topics.samples))
        for message in kafka.between(client, topics.samples, partition, 0, 1)
    ]
    earliest = min(first, key=lambda message: int(message.timestamp()[1]))
    return earliest.timestamp()[1] / 1000, int(kafka.header(earliest, "offset") or b"0")


def _read_alone(broker: Mapping[str, object], topics: Topics) -> float:
    """Seconds that `consume` takes over all of `events`, nothing decoded."""
    client = Consumer({**broker, "group.id": "asmg-bench", "enable.partition.eof": True, "log_level": 2})
    with contextlib.closing(client):
        count = kafka.partitions_of(client, topics.events)
        began, at_end = time.perf_counter(), 0
        client.assign([TopicPartition(topics.events, partition, 0) for partition in range(count)])
        while at_end < count:
            for message in client.consume(_BLOCK, 1.0):
                error = message.error()
                at_end += error is not None and error.code() == KafkaError._PARTITION_EOF
        return time.perf_counter() - began
