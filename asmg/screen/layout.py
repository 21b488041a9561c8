"""All parts on one screen: below each other where it is narrow, beside each other where it is wide."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from asmg.screen.figures import SOFT
from asmg.screen.lag import lag
from asmg.screen.now import facts, health
from asmg.screen.periods import periods
from asmg.screen.processes import processes
from asmg.screen.scores import scores
from asmg.seen import Seen

#: Characters from which on parts lie beside each other.
WIDE = 120
#: Periods shown at most, and at least, however little room there is.
MOST, LEAST = 12, 2
#: Lines of a screen from which on parts are kept apart by an empty one.
TALL = 34
#: Characters of a line over time, where it is narrow and where it is wide.
LINE = {False: 12, True: 16}


@dataclass(frozen=True)
class Screen:
    """The loop as people see it; `fits`: with as many periods as the screen has room for."""

    seen: Seen
    fits: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """For the width at hand."""
        seen, wide = self.seen, options.max_width >= WIDE
        gap = [""] if not self.fits or options.size.height >= TALL else []
        parts = [*gap, *_parts(seen, wide, gap)]
        top = Group(health(seen), *parts, *gap)
        yield top
        if not seen.rows:
            yield Text("No period has closed yet.", style=SOFT)
            return
        shown = MOST
        if self.fits:
            room = options.size.height - len(console.render_lines(top, options, pad=False)) - 2
            shown = min(max(room, LEAST), MOST)
        yield periods(seen.rows, seen.at, shown=shown, wide=wide)
        if not self.fits and (before := len(seen.rows) - shown) > 0:
            yield Text(f"and {before:,} before them: asmg status --json", style=SOFT)


def _parts(seen: Seen, wide: bool, gap: list[str]) -> list[RenderableType]:
    line, state = LINE[wide], seen.heard.state
    now, stages = facts(seen, line), lag(seen, line)
    answering = processes(state) if state else Text("")
    scored: list[RenderableType] = [*gap, scores(seen.rows, line)] if seen.rows else []
    if wide:
        return [_beside(now, Group(stages, *gap, answering), ratio=(3, 2)), *scored]
    return [now, *gap, _beside(stages, answering, ratio=(0, 0)), *scored]


def _beside(left: RenderableType, right: RenderableType, ratio: tuple[int, int]) -> Table:
    grid = Table.grid(padding=(0, 3, 0, 0), expand=any(ratio))
    for one in ratio:
        grid.add_column(ratio=one or None)
    grid.add_row(left, right)
    return grid
