"""`python -m bench.stream`: windowing, a bare loop, quix-streams and Faust on the same events in one run."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.stream.run import Asked, run
from stream.errors import AsmgError


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print. Raises: SystemExit: it cannot be measured, or periods are not exact."""
    options = _options(arguments)
    slower = {"quix": options.quix_events, "faust": options.faust_events}
    asked = Asked(
        options.events,
        {name: min(count, options.events) for name, count in slower.items() if count},
        options.partitions,
        options.workers,
        options.periods,
        options.users,
        options.items,
        options.repeats,
        options.frameworks,
        tuple(options.set),
    )
    try:
        found = run(asked, Console(stderr=True).print)
    except AsmgError as error:
        raise SystemExit(str(error)) from error
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        _print(found)
    if found["exact"]["differing"] or found["unaccounted"]:
        raise SystemExit("periods are not exact")


def _print(found: dict[str, Any]) -> None:
    out, machine, exact = Console(), found["machine"], found["exact"]
    table = Table(title=f"{found['events']:,} events, {found['partitions']} partitions", title_justify="left")
    table.add_column("")
    for column in ("processes", "events timed", "events/s", "ours / it", "CPU µs/event", "ours / it, by CPU"):
        table.add_column(column, justify="right")
    for name, runs in found["speeds"].items():
        ratio = found["ratios"].get(name)
        table.add_row(
            name.split()[0],
            str(runs[0]["processes"]),
            f"{median(one['events'] for one in runs):,.0f}",
            f"{median(one['events_per_second'] for one in runs):,.0f}",
            "" if ratio is None else f"{ratio['passed']:.2f}",
            f"{median(one['cpu_micros_per_event'] for one in runs):.1f}",
            "" if ratio is None else f"{ratio['cpu']:.2f}",
        )
    out.print(table)
    out.print(
        f"{exact['periods']} periods, {exact['samples']:,} samples, {exact['differing']} periods differ from "
        f"those made offline; {found['unaccounted']} events unaccounted for; "
        f"Kafka itself {found['kafka_cpu_micros_per_event']:.1f} CPU µs/event beside windowing; "
        f"{machine['cpus']} CPUs, load {machine['load_before']:.1f} before",
        highlight=False,
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.stream", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2, help="window workers")
    parser.add_argument("--periods", type=int, default=20)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--items", type=int, default=5_000)
    parser.add_argument("--repeats", type=int, default=1, help="of the bare loop and of windowing")
    parser.add_argument("--quix-events", type=int, default=200_000, help="0: without quix-streams")
    parser.add_argument("--faust-events", type=int, default=40_000, help="0: without Faust")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.NAME=VALUE", help="of windowing"
    )
    parser.add_argument(
        "--frameworks",
        type=Path,
        default=Path(".asmg/bench"),
        help="environment with quix-streams and Faust; made where there is none",
    )
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
