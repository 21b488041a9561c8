"""The processes that answer, and the model that each of them has."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from asmg.screen.figures import ODD, SOFT, columns, model
from serving.state import Process, State

#: Processes shown; those that have another model than the one that serves come first.
SHOWN = 5


def processes(state: State) -> Table:
    """One a row, and how many more there are."""
    table = columns("process", "model", "requests", left=("process", "model"))
    serving = state.serving

    def other(one: Process) -> bool:
        return serving is None or (one.kind, one.version) != (serving.kind, serving.version)

    every = sorted(state.processes, key=lambda one: not other(one))
    shown = every if len(every) <= SHOWN else every[: SHOWN - 1]
    for one in shown:
        told = model(one.kind, one.version) if one.version is not None else Text("none yet", style=ODD)
        if one.version is not None and other(one):
            told.append(", another", style=ODD)
        table.add_row(str(one.pid), told, f"{one.requests:,}")
    if left := every[len(shown) :]:
        alike = "another" if other(left[0]) else "the same"
        requests = sum(one.requests for one in left)
        table.add_row(f"{len(left)} more", Text(alike, style=SOFT), f"{requests:,}")
    if not every:
        table.add_row(Text("none yet", style=ODD), "", "")
    return table
