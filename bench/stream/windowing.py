"""Windowing as it is run: N `asmg window` processes over a backlog, until every period is closed."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from confluent_kafka.admin import AdminClient

from asmg.options import settings_of
from asmg.supervise import Supervisor, Worker
from asmg.watch import Watch
from bench.stream.speed import Speed
from stream import kafka
from stream.positions import Position, all_closed, positions
from stream.records import Manifest
from stream.topics import Topics

#: Seconds between two looks: more often would be measured too.
_GLANCE = 1.0


@dataclass(frozen=True)
class Windowed:
    """What came of it."""

    speed: Speed  # from the moment that every worker had written samples, to the last manifest
    manifests: list[Manifest]  # of the periods
    produced: int  # events windowing tells of
    kafka_cpu_seconds: float  # of the broker, meanwhile
    restarts: dict[str, int]


def measure(
    broker: Mapping[str, object],
    topics: Topics,
    home: Path,
    sets: Sequence[str],
    workers: int,
    kafka_pid: int | None,
) -> Windowed:
    """Starts the workers on a topic that holds everything already. Raises: AsmgError."""
    flags = ["--home", str(home), *(part for one in sets for part in ("--set", one))]
    command = [sys.executable, "-m", "asmg", "window", *flags]
    supervisor = Supervisor(home / "logs")
    with contextlib.ExitStack() as stack:
        client = kafka.consumer(broker, wait=10)
        stack.callback(client.close)
        watch = stack.enter_context(Watch(broker, topics))
        stack.callback(supervisor.stop)
        supervisor.start([Worker(f"window-{number + 1}", command) for number in range(workers)])

        def look() -> dict[int, Position]:
            time.sleep(_GLANCE)
            supervisor.look()
            watch.look()
            return positions(client, topics)

        before = _all_at_work(look, broker, topics, workers)
        began, cpu, kafka_cpu = time.time(), _cpu(supervisor.pids.values()), _cpu([kafka_pid])
        while not all_closed(found := look(), watch.announced.manifests):
            pass
        cpu, kafka_cpu = _cpu(supervisor.pids.values()) - cpu, _cpu([kafka_pid]) - kafka_cpu
        manifests = watch.announced.manifests
    produced = manifests[-1].counts["produced"]
    timed = 1 - sum(one.offset for one in before.values()) / sum(one.offset for one in found.values())
    seconds = manifests[-1].closed_at / 1000 - began
    speed = Speed(workers, round(produced * timed), seconds, cpu)
    return Windowed(speed, manifests[1:], produced, kafka_cpu, supervisor.restarts)


def settings_for(
    home: Path, prefix: str, partitions: int, bootstrap: str, more: Sequence[str]
) -> tuple[str, ...]:
    """`SECTION.NAME=VALUE` for workers on topics of their own. Raises: ConfigurationError."""
    sets = (
        f"kafka.prefix={prefix}", f"kafka.bootstrap={bootstrap}", f"stream.partitions={partitions}",
        "stream.metrics_port=0", *more,
    )  # fmt: skip
    settings_of(sets, home)
    return sets


def _all_at_work(
    look: Callable[[], dict[int, Position]], broker: Mapping[str, object], topics: Topics, workers: int
) -> dict[int, Position]:
    """Where windowing is once each worker has partitions and has written samples of every one of them.

    Before that workers start, load compiled code and hand partitions over, which is no steady state.
    """
    admin, group = AdminClient({**broker, "log_level": 2}), f"{topics.prefix}window"
    found = look()
    while _members(admin, group) < workers:
        found = look()
    shared = found
    while not all(found[one].offset > place.offset or found[one].ends for one, place in shared.items()):
        found = look()
    return found


def _members(admin: AdminClient, group: str) -> int:
    """How many members of the group have partitions."""
    described = admin.describe_consumer_groups([group])[group].result()
    return sum(bool(member.assignment.topic_partitions) for member in described.members)


def _cpu(pids: Iterable[int | None]) -> float:
    """CPU seconds these processes have had; those that are gone or none count for nothing."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = psutil.Process(pid).cpu_times() if pid is not None else None
            total += times.user + times.system if times is not None else 0.0
    return total
