"""What a demo shows while it runs: drawn anew on a terminal, one plain line a period elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from asmg import report
from serving.board import Row

#: Periods shown while it runs, the last ones.
SHOWN = 12

#: Seconds over which the rate of events is taken.
RATED = 10.0


@dataclass(frozen=True)
class Moment:
    """How a demo stands at one moment."""

    sent: int  # events of the source in Kafka
    events: int  # of the source
    rows: Sequence[Row]
    sentence: str  # serving's own
    page: str


class Progress(AbstractContextManager["Progress"]):
    """Shows moments on a console; `say` adds a line that stays."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: AbstractContextManager[Live | None] = (
            Live(console=console, auto_refresh=False, transient=True)
            if console.is_terminal
            else nullcontext()
        )
        self._drawn: Live | None = None
        self._told = 0  # the last period that a plain line told of
        self._rate = Rate()

    def __enter__(self) -> Progress:
        self._drawn = self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)
        self._drawn = None

    def say(self, text: str) -> None:
        """A line that stays."""
        self._console.print(text, highlight=False, soft_wrap=True, markup=False)

    def show(self, moment: Moment) -> None:
        """Draw the moment, or tell of the periods that were taken into service since the last one."""
        rate = self._rate.at(time.monotonic(), moment.sent)
        if self._drawn is not None:
            self._drawn.update(draw(moment, rate), refresh=True)
            return
        for row in moment.rows:
            if row.period > self._told and row.served is not None:
                self.say(f"{report.line(row)}, {moment.sent:,} of {moment.events:,} events sent")
                self._told = row.period


class Rate:
    """Events a second over the last `RATED` seconds."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()

    def at(self, now: float, sent: int) -> float:
        """The rate, given how many are sent by now."""
        self._points.append((now, sent))
        while now - self._points[0][0] > RATED:
            self._points.popleft()
        then, before = self._points[0]
        return (sent - before) / (now - then) if now > then else 0.0


def draw(moment: Moment, rate: float) -> RenderableType:
    """Bar, state and the last periods."""
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        "replay",
        ProgressBar(total=max(moment.events, 1), completed=moment.sent, width=40),
        f"{moment.sent:,} of {moment.events:,} events",
        f"{rate:,.0f} events/s",
    )
    return Group(
        bar,
        Text(f"{moment.page}  {moment.sentence or 'starting'}", overflow="fold"),
        report.table(moment.rows[-SHOWN:]),
    )
