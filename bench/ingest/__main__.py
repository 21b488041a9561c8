"""`python -m bench.ingest`: `asmg ingest` and a bare loop on the same records, in turns, in one run.

A bare loop consumes and decodes; ingest decodes too, maps, orders by event time, writes each event and marks
how far it came. Both are a process on a topic that holds everything already; ingest is timed from the moment
that a fifth of the events is in `events`, so neither its start nor its first fetches count.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from asmg.broker import Attachment
from asmg.options import settings_of
from asmg.supervise import Supervisor, Worker
from bench.ingest.records import fill, registry, tables
from bench.machine import Tell, machine
from bench.stream.speed import Speed
from stream import kafka
from stream.errors import AsmgError, BrokerError

#: Partitions of each topic.
PARTITIONS = 4

#: Part of the events that are not timed.
SKIPPED = 0.2

#: Seconds between two looks at `events`.
_GLANCE = 0.1

FORMATS = ("json", "avro")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print. Raises: SystemExit: it cannot be measured."""
    parser = argparse.ArgumentParser("python -m bench.ingest", description=__doc__)
    parser.add_argument("--events", type=int, default=300_000, help="records of each format")
    parser.add_argument("--repeats", type=int, default=3, help="of both, of which medians are told")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    options = parser.parse_args(arguments)
    try:
        found = measured(options.events, options.repeats, Console(stderr=True).print)
    except AsmgError as error:
        raise SystemExit(str(error)) from error
    print(json.dumps(found, indent=1)) if options.json else _print(found)


def measured(events: int, repeats: int, tell: Tell) -> dict[str, Any]:
    """Figures by name. Raises: AsmgError."""
    found: dict[str, Any] = {"machine": machine(), "events": events, "partitions": PARTITIONS}
    speeds: dict[str, list[Speed]] = {}
    with tempfile.TemporaryDirectory(prefix="asmg-bench-") as folder, registry() as url:
        home = Path(folder)
        with Attachment(settings_of((), home).kafka, home) as attachment:
            broker = attachment.broker
            for form in FORMATS:
                tell(f"writing {events:,} records of {form}")
                fill(broker, f"foreign-{form}", form, PARTITIONS, events)
            for number in range(repeats):
                for form in FORMATS:
                    bare = _bare(broker, form, url)
                    ingest = _ingest(broker, home, form, url, f"bench-{number}-{form}.", events)
                    for name, speed in ((f"bare {form}", bare), (f"ingest {form}", ingest)):
                        tell(f"{name}: {speed.per_second:,.0f} events/s, {speed.cpu_micros:.1f} CPU µs/event")
                        speeds.setdefault(name, []).append(speed)
    found["speeds"] = {name: [one.described() for one in several] for name, several in speeds.items()}
    found["ratios"] = {form: ratio(speeds[f"ingest {form}"], speeds[f"bare {form}"]) for form in FORMATS}
    return found


def ratio(ours: Sequence[Speed], bare: Sequence[Speed]) -> dict[str, float]:
    """Ingest against the bare loop, medians: by the time that passed and by CPU time."""
    passed = median(one.per_second for one in ours) / median(one.per_second for one in bare)
    cpu = median(one.cpu_micros for one in bare) / median(one.cpu_micros for one in ours)
    return {"passed": round(passed, 3), "cpu": round(cpu, 3)}


def _bare(broker: Mapping[str, object], form: str, url: str) -> Speed:
    command = [sys.executable, "-m", "bench.ingest.bare", str(broker["bootstrap.servers"])]
    command += [f"foreign-{form}", str(PARTITIONS), form, url]
    # In a session of its own, as ingest has one under its supervisor: Linux shares processors among sessions.
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, start_new_session=True)
    if done.returncode:
        raise BrokerError("a bare loop ended badly")
    told = json.loads(done.stdout)
    return Speed(1, told["events"], told["seconds"], told["cpu_seconds"])


def _ingest(broker: Mapping[str, object], home: Path, form: str, url: str, prefix: str, events: int) -> Speed:
    """`asmg ingest` from a fifth of the events on. Raises: AsmgError."""
    sets = [
        f"kafka.bootstrap={broker['bootstrap.servers']}",
        f"kafka.prefix={prefix}",
        f"stream.partitions={PARTITIONS}",
        "ingest.metrics_port=0",
        f"ingest.registry={url}",
        f"ingest.sources={json.dumps(tables(f'foreign-{form}', form))}",
    ]
    settings = settings_of(sets, home)
    topics = kafka.ensure_topics(broker, settings.kafka, PARTITIONS)
    flags = ["--home", str(home), *(part for one in sets for part in ("--set", one))]
    supervisor = Supervisor(home / "logs")
    with closing(kafka.consumer(broker, wait=10)) as client:

        def there() -> int:
            """Records in `events`; the few ticks among them are not told apart."""
            time.sleep(_GLANCE)
            supervisor.look()
            return sum(kafka.offsets(client, topics.events, one)[1] for one in range(PARTITIONS))

        try:
            supervisor.start([Worker("ingest", [sys.executable, "-m", "asmg", "ingest", *flags])])
            while (first := there()) < SKIPPED * events:
                pass
            (pid,) = supervisor.pids.values()
            process = psutil.Process(pid)
            began, cpu = time.monotonic(), sum(process.cpu_times()[:2])
            while (last := there()) < events:
                pass
            seconds, cpu = time.monotonic() - began, sum(process.cpu_times()[:2]) - cpu
        finally:
            supervisor.stop()
    return Speed(1, last - first, seconds, cpu)


def _print(found: Mapping[str, Any]) -> None:
    out, around = Console(), found["machine"]
    table = Table(
        title=f"{found['events']:,} records, {found['partitions']} partitions", title_justify="left"
    )
    table.add_column("")
    for column in ("events/s", "CPU µs/event", "ingest / bare", "by CPU"):
        table.add_column(column, justify="right")
    for name, runs in found["speeds"].items():
        told = found["ratios"][name.split()[1]] if name.startswith("ingest") else None
        table.add_row(
            name,
            f"{median(one['events_per_second'] for one in runs):,.0f}",
            f"{median(one['cpu_micros_per_event'] for one in runs):.1f}",
            "" if told is None else f"{told['passed']:.2f}",
            "" if told is None else f"{told['cpu']:.2f}",
        )
    out.print(table)
    out.print(f"{around['cpus']} CPUs, load {around['load_before']:.1f} before", highlight=False)


if __name__ == "__main__":
    main()
