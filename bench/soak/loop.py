"""The loop at a fixed rate: every worker a process, events from a thread of ours, sizes sampled meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from asmg.broker import Attachment
from asmg.options import settings_of
from asmg.run import answers
from asmg.staging import ported, ports, written
from asmg.supervise import Supervisor, Worker
from asmg.watch import Watch
from bench.machine import Tell
from bench.shop import shop
from bench.soak.sizes import Sizes
from stream import kafka
from stream.positions import all_closed, positions
from stream.replay import Source
from stream.replay.worker import Plan, replay
from stream.topics import Topics

#: Seconds between two samples of memory, and between two of the folders.
EVERY, FOLDERS_EVERY = 5.0, 60.0

#: Seconds the workers may take to close, train and serve what was sent last.
PATIENCE = 180.0

#: The stream is set so that what it remembers of impressions is full within the warm-up.
STREAM: dict[str, object] = {
    "period_span": "30s", "window": "30s", "memory": "60s", "lateness": "5s",
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """What is run."""

    minutes: float
    rate: float  # events/s
    users: int
    items: int
    windows: int  # window workers
    sets: tuple[str, ...] = ()  # SECTION.NAME=VALUE


@dataclass(frozen=True)
class Ran:
    """What came of it."""

    sizes: Sizes
    events: int
    periods: int
    produced: int  # events windowing tells of
    became: dict[str, int]  # used, pending, late, delayed, duplicate, dead
    waiting: list[int]  # events sent and not windowed yet, at each sample
    behind: float  # s from the last event sent until the last model served
    requests: int
    restarts: dict[str, int]


def soak(asked: Asked, home: Path, tell: Tell) -> Ran:
    """Run it. Raises: AsmgError."""
    source = shop(round(asked.minutes * 60 * asked.rate), asked.users, asked.items, asked.rate, seed=0)
    settings = settings_of(asked.sets, home)
    taken = ports(settings, asked.windows)
    sets = (*written({"stream": STREAM}, ported(taken)), *asked.sets)
    with Attachment(settings.kafka, home) as attachment:
        sets = (*sets, *written({"kafka": {"bootstrap": str(attachment.broker["bootstrap.servers"])}}))
        settings = settings_of(sets, home)
        topics = kafka.ensure_topics(attachment.broker, settings.kafka, settings.stream.partitions)
        supervisor = Supervisor(home / "logs")
        try:
            workers = _workers(sets, home, taken, asked.windows)
            supervisor.start(workers)
            while not all(answers(taken[one.name]) for one in workers):
                supervisor.look()
                time.sleep(kafka.GLANCE)
            plan = Plan(topics.events, settings.stream.lateness, settings.stream.window, speed=1.0)
            return _Run(source, attachment, topics, supervisor, taken["serve"], home, tell)(plan)
        finally:
            supervisor.stop()


def _workers(sets: tuple[str, ...], home: Path, taken: Mapping[str, int], windows: int) -> list[Worker]:
    asmg = [sys.executable, "-m", "asmg"]
    flags = ["--home", str(home), *(part for one in sets for part in ("--set", one))]
    return [
        *(
            Worker(name, [*asmg, "window", *flags, "--set", f"stream.metrics_port={taken[name]}"])
            for name in (f"window-{number + 1}" for number in range(windows))
        ),
        *(Worker(name, [*asmg, name, *flags]) for name in ("train", "metagen", "serve")),
    ]


class _Run:
    def __init__(
        self, source: Source, attachment: Attachment, topics: Topics, supervisor: Supervisor, port: int,
        home: Path, tell: Tell,
    ) -> None:  # fmt: skip
        self._source, self._attachment, self._topics = source, attachment, topics
        self._supervisor, self._home, self._tell = supervisor, home, tell
        self._page = f"http://127.0.0.1:{port}"
        self._sent, self._requests = 0, 0
        self._sizes, self._waiting = Sizes(), list[int]()
        self._client = kafka.consumer(attachment.broker, wait=10)

    def __call__(self, plan: Plan) -> Ran:
        stop, failed = threading.Event(), list[Exception]()

        def send() -> None:
            try:
                replay(self._source, self._attachment.broker, plan, stop=stop, on_progress=self._on_progress)
            except Exception as error:
                failed.append(error)

        sender = threading.Thread(target=send)
        with Watch(self._attachment.broker, self._topics, self._page) as watch:
            sender.start()
            try:
                began = looked = time.monotonic()
                while sender.is_alive():
                    self._look(began, watch)
                    looked = max(looked + EVERY, time.monotonic())
                    while sender.is_alive() and time.monotonic() < looked:
                        self._rank()
                        sender.join(0.5)
            finally:
                stop.set()
                sender.join()
            if failed:
                raise failed[0]
            behind = self._until_served(watch)
            self._client.close()
            last = watch.announced.manifests[-1]
        became = {name: count for name, count in last.counts.items() if name != "produced"}
        return Ran(
            self._sizes, self._sent, last.period, last.counts["produced"], became, self._waiting, behind,
            self._requests, self._supervisor.restarts,
        )  # fmt: skip

    def _on_progress(self, done: int, total: int, rate: float) -> None:  # noqa: ARG002 the replay's signature
        self._sent = done

    def _look(self, began: float, watch: Watch) -> None:
        self._supervisor.look()
        watch.look()
        pids = {**self._supervisor.pids, "bench": os.getpid()}
        if self._attachment.pid is not None:
            pids["kafka"] = self._attachment.pid
        passed, before = time.monotonic() - began, self._sizes.hours[-1:] or [-1.0]
        folders = {"store on disk": self._home / "store", "kafka on disk": self._home / "kafka"}
        again = passed // FOLDERS_EVERY > before[0] * 3600 // FOLDERS_EVERY
        self._sizes.add(passed / 3600, pids, folders if again else {})
        places = positions(self._client, self._topics)
        self._waiting.append(sum(one.waiting for one in places.values()))
        periods = max(0, len(watch.announced.manifests) - 1)
        if again:
            self._tell(
                f"{passed / 60:.0f} min: {self._sent:,} events sent, {self._waiting[-1]:,} records wait for "
                f"windowing, {periods} periods closed, {watch.announced.last_decided()} decided"
            )

    def _until_served(self, watch: Watch) -> float:
        """Seconds until all is closed and serving has taken up the last period. Raises: WorkerFailed."""
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE:
            self._supervisor.look()
            watch.look()
            closed = all_closed(positions(self._client, self._topics), watch.announced.manifests)
            serving = watch.serving.period if watch.serving else 0
            if closed and serving >= watch.announced.manifests[-1].period:
                break
            time.sleep(0.25)
        return time.monotonic() - began

    def _rank(self) -> None:
        """One request, as a shop would make it."""
        body = {
            "user_id": f"user-{self._requests % 1000}",
            "candidates": [f"item-{one}" for one in range(100)],
        }
        request = urllib.request.Request(
            f"{self._page}/rank", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with contextlib.suppress(OSError):  # before the first model serving has no answer
            urllib.request.urlopen(request, timeout=2.0).close()
            self._requests += 1
