"""One run of a demo: workers started, watched until the last model serves, and what came of it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from asmg import report
from asmg.broker import Attachment
from asmg.caller import ANYBODY, Caller, reached
from asmg.config import Settings
from asmg.errors import Unaccounted, WorkerFailed
from asmg.memory import Peak
from asmg.produced import produced
from asmg.progress import Moment, Progress
from asmg.supervise import Supervisor, Worker
from asmg.watch import Watch, metric
from stream import kafka
from stream.errors import BrokerError, ConfigurationError
from stream.positions import all_closed, positions
from stream.topics import Topics

#: How often the loop is looked at, in seconds.
GLANCE = 0.5

#: Looks between two samples of memory: each walks the page tables of all workers.
MEMORY_EVERY = 4

#: Seconds serving may take for the last model before the demo gives up on it.
SWAPPING = 120.0


@dataclass(frozen=True)
class Input:
    """What is replayed; the events themselves are in the replay's process alone."""

    dataset: str
    name: str
    events: int
    samples: int


class Asked:
    """Whether somebody asked the demo to stop, and by which signal."""

    def __init__(self) -> None:
        self.signal = 0
        self._event = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def __bool__(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> None:
        """Until then, or until asked."""
        self._event.wait(seconds)

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 the signal's signature
        self.signal = number
        self._event.set()


@dataclass(frozen=True)
class Ending:
    """What is done at the end of a run."""

    json: Path | None  # the figures go there
    keep: bool  # page and API stay up
    going_on: str  # the command that goes on with a run that was stopped


class Run:
    """Watches the workers; called once, it answers the exit status. Raises: AsmgError."""

    def __init__(
        self,
        ending: Ending,
        source: Input,
        ports: Mapping[str, int],
        settings: Settings,
        attachment: Attachment,
        topics: Topics,
        supervisor: Supervisor,
        progress: Progress,
        asked: Asked,
    ) -> None:
        self._ending, self._source, self._attachment, self._topics = ending, source, attachment, topics
        self._supervisor, self._progress, self._asked = supervisor, progress, asked
        self._shadows = settings.trainer.shadow
        self._ports = {name: port for name, port in ports.items() if name != "replay"}
        self._caller, self._host = Caller.of(settings.serving), reached(settings.serving.host)
        self._page = self._caller.address(self._host, ports["serve"])
        self._replay = f"http://127.0.0.1:{ports['replay']}/metrics"
        self._archive = f"http://127.0.0.1:{ports['archive']}/metrics" if "archive" in ports else None
        self._memory, self._kafka_memory = Peak(), Peak()
        self._looks = self._sent = 0
        self._closed = False
        self._decided_since: float | None = None
        self._client = kafka.consumer(attachment.broker, wait=10)

    def __call__(self, workers: Sequence[Worker]) -> int:
        """Run the workers, of which the first is the replay, until all is done or somebody asks to stop."""
        self._progress.say(
            f"{self._source.name}: {self._source.events:,} events; page and API: {self._page}"
            f" (logs in {self._supervisor.log('*').parent})"
        )
        try:
            with Watch(self._attachment.broker, self._topics, self._page, self._caller) as watch:
                with self._progress:
                    self._start(workers)
                    while not self._asked and not self._look(watch):
                        self._asked.wait(GLANCE)
                if self._asked:
                    return self._interrupted()
                if not self._ending.keep:
                    self._supervisor.stop()
                return self._end(watch)
        finally:
            self._client.close()

    def _start(self, workers: Sequence[Worker]) -> None:
        """Start the replay once the others are up: what it sent before would wait for them."""
        replay, *others = workers
        self._supervisor.start(others)
        while not self._asked and not self._all_answer():
            self._supervisor.look()
            self._asked.wait(GLANCE)
        if not self._asked:
            self._supervisor.start([replay])

    def _all_answer(self) -> bool:
        hosts = {"serve": self._host}
        return all(answers(port, hosts.get(name, "127.0.0.1")) for name, port in self._ports.items())

    def _look(self, watch: Watch) -> bool:
        """One look at everything; whether the last model serves."""
        if self._attachment.mend():
            self._progress.say("Kafka ended: started again")
        self._supervisor.look()
        self._weigh()
        watch.look()
        done = self._supervisor.finished("replay")
        self._sent = self._source.events if done else max(self._sent, _sent(self._replay))
        self._progress.show(Moment(self._sent, self._source.events, watch.rows, watch.sentence, self._page))
        if done and not self._closed:
            with contextlib.suppress(BrokerError):  # Kafka may be on its way back; it is asked again
                self._closed = all_closed(positions(self._client, self._topics), watch.announced.manifests)
        return self._closed and self._serves_last(watch) and self._shadowed(watch) and self._archived(watch)

    def _serves_last(self, watch: Watch) -> bool:
        last = watch.announced.manifests[-1].period
        if watch.announced.last_decided() < last:
            return False
        if watch.serving is not None and watch.serving.period >= last:
            return True
        now = time.monotonic()
        self._decided_since = self._decided_since or now
        if now - self._decided_since > SWAPPING:
            raise WorkerFailed(
                f"serving has not taken up the model of period {last} within {SWAPPING:.0f} s: "
                f"{watch.sentence or 'it does not answer'} (see {self._supervisor.log('serve')})"
            )
        return False

    def _shadowed(self, watch: Watch) -> bool:
        """Whether every shadow has taken in the last period; nothing has waited for them so far."""
        last = watch.announced.manifests[-1].period
        return all(watch.announced.last_shadow(name) >= last for name in self._shadows)

    def _archived(self, watch: Watch) -> bool:
        """Whether the archiver, if there is one, has come to the last period."""
        if self._archive is None:
            return True
        last = watch.announced.manifests[-1].period
        try:
            return (metric(ANYBODY.fetch(self._archive), "asmg_archive_period") or 0) >= last
        except OSError:
            return False

    def _weigh(self) -> None:
        if self._looks % MEMORY_EVERY == 0:
            self._memory.sample(self._supervisor.pids.values(), alone=[os.getpid()])
            if self._attachment.pid is not None:
                self._kafka_memory.sample([self._attachment.pid])
        self._looks += 1

    def _interrupted(self) -> int:
        self._supervisor.stop()
        self._progress.say(f"stopped; `{self._ending.going_on}` goes on where it was")
        return 128 + self._asked.signal

    def _end(self, watch: Watch) -> int:
        outcome = report.Outcome(
            rows=watch.rows,
            announced=watch.announced,
            source=self._source.events,
            produced=produced(self._attachment.broker, self._topics),
            memory_mb=self._memory.mb,
            kafka_memory_mb=self._kafka_memory.mb,
            restarts=self._supervisor.restarts,
        )
        figures = report.figures(outcome)
        if self._ending.json is not None:
            write_json(self._ending.json, figures)
        _print(outcome, figures)
        if self._ending.keep:
            self._keep(watch)
        if figures["lost"]:
            raise Unaccounted(
                f"{figures['lost']:,} events are unaccounted for: "
                f"{max(outcome.source, outcome.produced):,} are in Kafka, windowing tells of "
                f"{sum(figures['counts'].get(fate, 0) for fate in report.FATES):,}"
            )
        return 0

    def _keep(self, watch: Watch) -> None:
        self._progress.say(f"page and API stay up at {self._page}; Ctrl-C ends them")
        while not self._asked:
            self._supervisor.look()
            self._attachment.mend()
            watch.look()
            self._asked.wait(GLANCE)


def write_json(path: Path, figures: Mapping[str, Any]) -> None:
    """The figures in the file, whole or not at all. Raises: ConfigurationError: it cannot be written."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.writing")
    try:
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=1) + b"\n")
        fresh.rename(path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error


def _sent(metrics: str) -> int:
    """Rows in Kafka as the replay tells; 0 while it does not."""
    try:
        return int(metric(ANYBODY.fetch(metrics), "asmg_replay_row") or 0)
    except OSError:
        return 0


def answers(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody listens on a port there."""
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False


def _print(outcome: report.Outcome, figures: Mapping[str, Any]) -> None:
    console = report.console()
    console.print(report.table(outcome.rows))
    for line in report.summary(figures):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
