"""The last periods, newest first: how long each was open, its stages from closed to served, what was odd."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from asmg.report import NONE
from asmg.screen.figures import ODD, SOFT, STAGE, columns, count, model, span
from serving.board import Row

#: The bar of each stage, which differ without colours too.
_INK = {"train": "█", "generate": "▓", "swap": "▒"}


def periods(rows: Sequence[Row], at: int, *, shown: int, wide: bool) -> Table:
    """The last `shown` of them, and the one that is open at `at` (ms); where it is wide, with bars."""
    names = ["period", "samples", "open", "+ Θ", "+ Θ*", "+ swap", "served", "fresh", "serves", "drift"]
    names += ["new items"] * wide + ["late", "dead"]
    table = columns(*names, left=("serves",))
    if wide:
        table.expand = True
        table.add_column("  from closed to served", ratio=1)
    if rows and rows[-1].reason != "end":
        age = max(at - rows[-1].closed_at, 0) / 1000
        told = [str(rows[-1].period + 1), "", span(age), *[""] * (len(names) - 3)]
        table.add_row(*told, *["  collecting events"] * wide, style=SOFT)
    last = list(reversed(rows[-shown:]))
    longest = max((sum(took(row).values()) for row in last), default=0.0)
    for row in last:
        table.add_row(*_cells(row, wide), *([Bar(took(row), longest)] if wide else []))
    return table


def took(row: Row) -> dict[str, float]:
    """Seconds that each stage took which is over, one after the other from the moment the period closed."""
    moments = {"train": row.trained_at, "generate": row.generated_at, "swap": row.served_at}
    found, begin = dict[str, float](), row.closed_at
    for name, moment in moments.items():
        if moment is not None:
            end = max(moment, begin)
            found[name], begin = (end - begin) / 1000, end
    return found


def _cells(row: Row, wide: bool) -> Iterator[str | Text]:
    spent, served = took(row), row.served or row.word
    yield from (str(row.period), count(row.samples), span((row.closed_at - row.opened_at) / 1000))
    yield from (Text(span(spent.get(name)), style=STAGE[name]) for name in STAGE)
    start = row.served is not None and row.seconds.close_to_served is None
    yield "start" if start else span(row.seconds.close_to_served)
    yield span(row.freshness_seconds)
    yield model(served.kind, served.version, None if row.served else SOFT) if served else NONE
    yield f"{row.drift.distance:.3f}" if row.drift else NONE
    if wide:
        yield f"{100 * row.drift.new_items:.1f} %" if row.drift else NONE
    yield count(row.unused.late)
    yield Text(count(row.unused.dead), style=ODD if row.unused.dead else "")


@dataclass(frozen=True)
class Bar:
    """Stages one after the other, as long as there is room for the longest."""

    spent: dict[str, float]
    longest: float  # seconds

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """One line."""
        drawn, end = Text("  "), 0.0
        scale = (options.max_width - 2) / self.longest if self.longest else 0.0
        for name, seconds in self.spent.items():
            begin, end = end, end + seconds
            drawn.append(_INK[name] * (round(end * scale) - round(begin * scale)), style=STAGE[name])
        yield drawn

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Any width will do."""
        return Measurement(8, options.max_width)
