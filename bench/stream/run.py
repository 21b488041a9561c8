"""One run: events made and written, then every contestant in turn on the same Kafka."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from asmg.broker import Attachment
from asmg.options import settings_of
from asmg.staging import closing, written
from bench.machine import Tell, machine
from bench.shop import shop
from bench.stream import bare, frameworks, windowing
from bench.stream.exact import compare
from bench.stream.speed import Speed
from stream import kafka
from stream.replay.worker import Plan, replay

#: Events in a second of event time: with the window of 30 minutes 150,000 impressions are open at a time.
RATE = 100.0


@dataclass(frozen=True)
class Asked:
    """What is run."""

    events: int
    slower: dict[str, int]  # framework -> how many of the events it gets; none where it is left out
    partitions: int
    workers: int
    periods: int
    users: int
    items: int
    repeats: int  # of the bare loop and of windowing, of which medians are told
    frameworks: Path  # where the environment of the frameworks is, or is made
    sets: tuple[str, ...] = ()  # SECTION.NAME=VALUE, for windowing


def run(asked: Asked, tell: Tell) -> dict[str, Any]:
    """Figures by name. Raises: AsmgError."""
    found: dict[str, Any] = {"machine": machine()}
    tell(f"making {asked.events:,} events")
    source = shop(asked.events, asked.users, asked.items, RATE, seed=0)
    with tempfile.TemporaryDirectory(prefix="asmg-bench-") as folder:
        home = Path(folder)
        settings = settings_of((f"stream.partitions={asked.partitions}", *asked.sets), home)
        shape = written({"stream": closing(settings, source.samples, asked.periods)})
        with Attachment(settings.kafka, home) as attachment:
            broker = attachment.broker
            speeds: dict[str, list[Speed]] = {}
            for number in range(asked.repeats):
                prefix = f"bench-{number}."
                sets = windowing.settings_for(
                    home, prefix, asked.partitions, str(broker["bootstrap.servers"]), (*shape, *asked.sets)
                )
                settings = settings_of(sets, home)
                topics = kafka.ensure_topics(broker, settings.kafka, asked.partitions)
                tell(f"writing them to {asked.partitions} partitions")
                plan = Plan(topics.events, settings.stream.lateness, settings.stream.window)
                replay(source, broker, plan, stop=threading.Event())
                for processes in sorted({1, asked.workers}):
                    tell(f"bare loop, {processes} processes")
                    speed = bare.measure(broker, topics.events, asked.partitions, processes)
                    speeds.setdefault(f"bare {processes}", []).append(_told(speed, tell))
                tell(f"windowing, {asked.workers} workers")
                windowed = windowing.measure(broker, topics, home, sets, asked.workers, attachment.pid)
                speeds.setdefault("windowing", []).append(_told(windowed.speed, tell))
            for name, events in asked.slower.items():
                python = frameworks.environment(asked.frameworks, tell)
                tell(f"{name}, {events:,} events")
                window = settings.stream.window
                speed = frameworks.measure(name, python, broker, source, events, window, asked.partitions)
                speeds[name] = [_told(speed, tell)]
        tell("windowing again, offline, to compare periods")
        exact = compare(source, asked.periods, settings.stream, windowed.manifests)
    found |= {
        "events": len(source),
        "partitions": asked.partitions,
        "users": asked.users,
        "speeds": {name: [one.described() for one in several] for name, several in speeds.items()},
        "ratios": ratios(speeds),
        "kafka_cpu_micros_per_event": round(windowed.kafka_cpu_seconds / windowed.speed.events * 1e6, 2),
        "unaccounted": len(source) - windowed.produced,
        "restarts": windowed.restarts,
        "exact": vars(exact),
    }
    return found


def ratios(speeds: dict[str, list[Speed]]) -> dict[str, dict[str, float]]:
    """Windowing against each other contestant, medians: by the time that passed and by CPU time.

    By CPU time: events in a CPU second, whatever the number of processes.
    """
    found = {}
    ours = speeds["windowing"]
    for name, theirs in speeds.items():
        if name != "windowing":
            passed = median(one.per_second for one in ours) / median(one.per_second for one in theirs)
            cpu = median(one.cpu_micros for one in theirs) / median(one.cpu_micros for one in ours)
            found[name] = {"passed": round(passed, 3), "cpu": round(cpu, 3)}
    return found


def _told(speed: Speed, tell: Tell) -> Speed:
    """The same, told at once: what comes after may fail, and takes minutes."""
    tell(f"  {speed.per_second:,.0f} events/s, {speed.cpu_micros:.1f} CPU µs/event")
    return speed
