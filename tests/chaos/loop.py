"""All workers of the loop as processes over a slice of real clicks, watched to their end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nodes import Kafka
from redis_server import PASSWORD, USER, RedisServer

from asmg.supervise import last_line
from asmg.watch import Watch
from stream import kafka
from stream.settings import KafkaSettings

#: In the order in which they are started.
WORKERS = ("window", "train", "metagen", "shadow", "serve", "replay")

PARTITIONS = 4

#: Seconds between two looks at everything.
GLANCE = 0.1

#: Seconds within which something has to have happened: a disturbance, or a period decided.
PATIENCE = 300.0


class Failed(Exception):
    """The run did not come to its end."""


@dataclass(frozen=True)
class Shop:
    """What is replayed."""

    data: Path
    until: str  # clicks before this day
    periods: int
    events: int

    @property
    def period_count(self) -> int:
        """Clicks a period."""
        return -(-self.events // self.periods)


@dataclass(eq=False)
class Worker:
    """A process that is started again whenever it ends."""

    name: str
    words: Sequence[str]  # after `asmg`
    log: Path
    process: subprocess.Popen[bytes]
    born: float = 0.0

    @property
    def finished(self) -> bool:
        """Whether it has done its work: the replay alone ends by itself."""
        return self.name == "replay" and self.process.poll() == 0


class Peace:
    """What is done to a run: nothing at all. Whatever disturbs one is a kind of it."""

    count = 0  # how often something was disturbed so far

    @property
    def done(self) -> bool:
        """Whether all was done that was to be done."""
        return True

    def command(self, worker: str, words: Sequence[str]) -> list[str]:
        """What Python is told to run as that worker: the worker as a user starts it."""
        return ["-m", "asmg", *words]

    def ended(self, worker: Worker, status: int) -> None:
        """A worker has ended, and will be started again. Raises: Failed: it should not have."""
        raise Failed(f"{worker.name} ended with {status}: {last_line(worker.log)}")

    def look(self, loop: Loop) -> None:
        """Something may be done now."""


class Loop:
    """One run in a folder of its own, under topics of its own."""

    def __init__(
        self,
        folder: Path,
        broker: Kafka,
        redis: RedisServer | None,
        prefix: str,
        shop: Shop,
        disturbance: Peace,
    ) -> None:
        self.folder, self.broker, self.redis, self.workers = folder, broker, redis, list[Worker]()
        self._shop, self._prefix, self._disturbance = shop, prefix, disturbance
        address = {"bootstrap.servers": broker.bootstrap}
        settings = KafkaSettings(prefix=prefix, replication=broker.replication)
        topics = kafka.ensure_topics(address, settings, PARTITIONS)
        self._watch = Watch(address, topics)

    @property
    def decided(self) -> int:
        """The last period that the gate has decided on."""
        return self._watch.announced.last_decided()

    def run(self) -> int:
        """To its end; how often it was disturbed. Raises: Failed: it does not end."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with self._watch:
                for name in WORKERS:
                    words, log = [name, *self._flags(name)], self.folder / f"{name}.log"
                    self.workers.append(
                        Worker(name, words, log, self._spawn(name, words, log), time.monotonic())
                    )
                self._to_the_end()
        finally:
            for one in self.workers:
                one.process.kill()
                one.process.wait()
        return self._disturbance.count

    def _to_the_end(self) -> None:
        moved_at, seen = time.monotonic(), (0, 0)
        while not (self._disturbance.done and self._served()):
            for one in self.workers:
                if not one.finished and (status := one.process.poll()) is not None:
                    self._disturbance.ended(one, status)
                    one.process = self._spawn(one.name, one.words, one.log)
                    one.born = time.monotonic()
            self._disturbance.look(self)
            self._watch.look()
            if (now := (self.decided, self._disturbance.count)) != seen:
                moved_at, seen = time.monotonic(), now
            if time.monotonic() - moved_at > PATIENCE:
                raise Failed(f"nothing happens any more, at period {self.decided}: {self._disturbance}")
            time.sleep(GLANCE)

    def _served(self) -> bool:
        """Whether all that the source has is decided on, and the shadow has it too."""
        last = self._watch.last
        if (
            last is None
            or last.reason != "end"
            or not all(w.finished for w in self.workers if w.name == "replay")
        ):
            return False
        return min(self.decided, self._watch.announced.last_shadow("iu")) >= last.period

    def _spawn(self, name: str, words: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as file:
            command = [sys.executable, *self._disturbance.command(name, words)]
            return subprocess.Popen(
                command, stdout=file, stderr=file, env=self._environment(), start_new_session=True
            )

    def _environment(self) -> dict[str, str]:
        if self.redis is None:
            return dict(os.environ)
        url = f"redis://127.0.0.1:{self.redis.port}/0"
        return {
            **os.environ,
            "ASMG_REDIS_URL": url,
            "ASMG_REDIS_USERNAME": USER,
            "ASMG_REDIS_PASSWORD": PASSWORD,
        }

    def _flags(self, name: str) -> list[str]:
        settings = {
            "kafka.bootstrap": self.broker.bootstrap,
            "kafka.prefix": self._prefix,
            "kafka.replication": self.broker.replication,
            "store.folder": self.folder / "store",
            "stream.partitions": PARTITIONS,
            "stream.period_count": self._shop.period_count,
            "stream.checkpoint_every": "300ms",
            "trainer.user_rows": "hash:20000",
            "trainer.shadow": '["iu"]',
            "trainer.shadow_metrics_port": 0,
            "serving.clock": "stream",
            "serving.port": 0,
            **{f"{one}.metrics_port": 0 for one in ("stream", "trainer", "metagen", "serving")},
        }
        flags = ["--home", str(self.folder)]
        for field, value in settings.items():
            flags += ["--set", f"{field}={value}"]
        if name == "replay":
            flags += ["--data", str(self._shop.data), "--until", self._shop.until, "--pace", "trained"]
        return flags
