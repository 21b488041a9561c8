"""`python -m bench.serving`: latency at a steady state and during 1,000 swaps, memory before and after."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.serving.models import Shape
from bench.serving.run import Asked, run
from stream.errors import AsmgError


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print. Raises: SystemExit: it cannot be measured, or a request failed."""
    options = _options(arguments)
    asked = Asked(
        shape=Shape(options.users, options.items, options.categories),
        candidates=options.candidates,
        connections=options.connections,
        rounds=options.rounds,
        swaps=options.swaps // options.rounds,
        every=options.every,
        steady=options.steady,
        variants=options.variants,
        workers=options.workers,
        sets=tuple(options.set),
    )
    try:
        found = run(asked, Console(stderr=True).print)
    except AsmgError as error:
        raise SystemExit(str(error)) from error
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        _print(found)
    if any(one[phase]["failed"] for one in found["rounds"] for phase in ("steady", "swaps")):
        raise SystemExit("requests have failed")


def _print(found: dict[str, Any]) -> None:
    out, asked, machine = Console(), found["asked"], found["machine"]
    title = f"{asked['candidates']} candidates, a history of 30, {asked['connections']} connections"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for column in ("p50 ms", "p95 ms", "p99 ms", "max ms", "requests/s", "failed"):
        table.add_column(column, justify="right")
    forward = found["forward"]
    table.add_row("the model alone", f"{forward['p50_ms']:.2f}", "", f"{forward['p99_ms']:.2f}", "", "", "")
    table.add_row("empty FastAPI route", *_cells(found["empty"]))
    table.add_row("ranking, 1 connection", *_cells(found["alone"]))
    for number, one in enumerate(found["rounds"], start=1):
        table.add_row(f"round {number}: steady", *_cells(one["steady"]))
        table.add_row(f"round {number}: {one['served']} swaps", *_cells(one["swaps"]))
    out.print(table)
    out.print(f"p99 during swaps / p99 without, median: {found['p99_ratio']:.2f}")
    alone, empty = found["alone"]["p50_ms"], found["empty"]["p50_ms"]
    out.print(f"one ranking (p50) is {alone / forward['p50_ms']:.1f} x the model alone")
    steady = median(one["steady"]["p50_ms"] for one in found["rounds"])
    out.print(f"at {asked['connections']} connections it is {steady / empty:.1f} x an empty route")
    for number, one in enumerate(found["memory_mb"]):
        told = ", ".join(f"{mb:,.0f}" for mb in one.values())
        out.print(
            f"memory after {number * asked['swaps']:,} swaps, keeper and processes that answer: {told} MB"
        )
    out.print(f"{machine['cpus']} CPUs ({machine['machine']}), load before {machine['load_before']:.1f}")


def _cells(latency: dict[str, float]) -> list[str]:
    times = [f"{latency[name]:.2f}" for name in ("p50_ms", "p95_ms", "p99_ms", "max_ms")]
    return [*times, f"{latency['per_second']:,.0f}", f"{latency['failed']:.0f}"]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description=__doc__)
    parser.add_argument("--users", type=int, default=60_000)
    parser.add_argument("--items", type=int, default=40_000)
    parser.add_argument("--categories", type=int, default=1_000)
    parser.add_argument("--candidates", type=int, default=500)
    parser.add_argument("--connections", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--swaps", type=int, default=1_000, help="of all rounds together")
    parser.add_argument("--every", type=float, default=0.5, help="seconds between two swaps")
    parser.add_argument("--steady", type=float, default=20, help="seconds of load without swaps, each round")
    parser.add_argument("--variants", type=int, default=8, help="models that are other than each other")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.NAME=VALUE")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
