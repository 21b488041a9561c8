"""`python -m bench.soak --minutes 30 --rate 1000`: the whole loop for that long, and what memory did."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.machine import machine
from bench.soak.figure import draw
from bench.soak.loop import Asked, Ran, soak
from bench.soak.trend import trend
from stream.errors import AsmgError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, print, draw. Raises: SystemExit: it could not be run, or too short to say anything."""
    options = _options(arguments)
    console = Console(stderr=True)
    asked = Asked(
        options.minutes, options.rate, options.users, options.items, options.windows, tuple(options.set)
    )
    with tempfile.TemporaryDirectory(prefix="asmg-soak-") as folder:
        place = machine()
        try:
            ran = soak(asked, options.home or Path(folder), console.print)
        except AsmgError as error:
            raise SystemExit(str(error)) from error
    warm_up = options.warm_up / 60
    if options.figure is not None:
        draw(ran.sizes, warm_up, options.figure)
    try:
        found = {"machine": place, **figures(ran, warm_up)}
    except ValueError as error:
        raise SystemExit(str(error)) from error
    if options.json is not None:
        options.json.write_text(json.dumps(found | {"series": vars(ran.sizes)}, indent=1))
    _print(found)


def figures(ran: Ran, warm_up: float) -> dict[str, Any]:
    """What was measured, by name; sizes after `warm_up` (h). Raises: ValueError: the run was too short."""
    sizes = {name: trend(ran.sizes.hours, series, warm_up) for name, series in ran.sizes.mb.items()}
    after = [one for at, one in zip(ran.sizes.hours, ran.waiting, strict=True) if at >= warm_up]
    return {
        "events": ran.events,
        "unaccounted": ran.events - ran.produced,
        "became": ran.became,
        "periods": ran.periods,
        "requests": ran.requests,
        "restarts": ran.restarts,
        "waiting": {"median": median(after), "largest": max(after), "end": after[-1]},
        "last_event_to_served_seconds": ran.behind,
        "sizes": {name: {**vars(one), "flat": one.flat} for name, one in sizes.items()},
    }


def _print(found: dict[str, Any]) -> None:
    out, waiting = Console(), found["waiting"]
    table = Table(title="MB after the warm-up", title_justify="left")
    for column in ("of", "start", "middle", "end", "MB/h", "± error", "flat"):
        table.add_column(column, justify="left" if column == "of" else "right")
    for name, one in found["sizes"].items():
        sizes = (f"{one[when]:,.0f}" for when in ("start", "middle", "end"))
        table.add_row(
            name, *sizes, f"{one['slope']:+.1f}", f"{one['error']:.1f}", "yes" if one["flat"] else "no"
        )
    out.print(table)
    out.print(
        f"{found['events']:,} events, {found['unaccounted']:,} unaccounted for; {found['periods']} periods; "
        f"{found['requests']:,} requests answered; restarts: {found['restarts'] or 'none'}\n"
        f"records waiting for windowing: median {waiting['median']:,.0f}, largest {waiting['largest']:,}, "
        f"at the end {waiting['end']:,}; last event to its model served: "
        f"{found['last_event_to_served_seconds']:.1f} s",
        highlight=False,
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=1000.0, help="events/s")
    parser.add_argument("--warm-up", type=float, default=10.0, help="minutes that are no part of slopes")
    parser.add_argument("--users", type=int, default=5_000, help="all of them are there from the start")
    parser.add_argument("--items", type=int, default=2_000)
    parser.add_argument("--windows", type=int, default=2, help="window workers")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.NAME=VALUE")
    parser.add_argument("--home", type=Path, help="work in this folder and keep it; else one that is removed")
    parser.add_argument("--figure", type=Path, help="PNG file for memory over time")
    parser.add_argument("--json", type=Path, help="file for the figures and every sample")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
