"""Progress: a bar for each method, over all that is run of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from asmg.experiment.plan import Plan
from asmg.experiment.schedule import Tell
from asmg.experiment.units import Unit


def progress(console: Console) -> Progress:
    """Bars of periods, with the time they took."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("periods"),
        TimeElapsedColumn(),
        console=console,
    )


def bars(shown: Progress, plan: Plan, units: Sequence[Unit], told: str = "") -> Tell:
    """A bar for each method; what is finished is there from the start, and full bars of before make room.

    told: what the units are for; with it all that is varied of a method has one bar.
    """

    def name(unit: Unit) -> str:
        return f"{unit.method.name.partition(' ')[0]}, {told}" if told else unit.method.name

    for old in shown.tasks:
        shown.update(old.id, visible=not old.finished)
    total, done = defaultdict[str, int](int), defaultdict[str, dict[tuple[str, int], int]](dict)
    for unit in units:
        total[name(unit)] += unit.lines(plan)
        done[name(unit)][unit.method.name, unit.run] = unit.finished(plan)
    tasks: dict[str, TaskID] = {
        one: shown.add_task(one, total=total[one], completed=sum(done[one].values())) for one in total
    }

    def tell(unit: Unit, finished: int) -> None:
        mine = done[name(unit)]
        mine[unit.method.name, unit.run] = finished
        shown.update(tasks[name(unit)], completed=sum(mine.values()))

    return tell
