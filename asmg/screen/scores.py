"""AUC and LogLoss of every method: of the last period it was scored on, lately, and over time."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from asmg.report import LAST, beside, compared, number
from asmg.screen.figures import KIND, columns, spark
from serving.board import Measure, Row
from serving.health import NAMES

_STYLE = {NAMES[kind]: style for kind, style in KIND.items()}


def scores(rows: Sequence[Row], line: int) -> Table:
    """One method a row; each model on the period after it, before it learns from it."""
    means = compared(rows)
    mean_of = f"mean of ≤{LAST}"
    table = columns("method", "AUC", mean_of, "", "LogLoss", mean_of, " ", left=("method", "", " "))
    for name, measures in methods(rows).items():
        cells: list[str | Text] = []
        for figure, best in (("auc", max), ("logloss", min)):
            values = [None if one is None else getattr(one, figure) for one in measures]
            known = [one for one in values if one is not None]
            mean, others = means.get(name, {}).get(figure), [one[figure] for one in means.values()]
            first = mean is not None and mean == best(one for one in others if one is not None)
            cells += [
                number(_last(measures, figure), 4),
                Text(number(mean, 4), style="bold" if first else ""),
                spark(values, line, min(known[-line:], default=0.0)),
            ]
        table.add_row(Text(name, style=_STYLE.get(name, "")), *cells)
    return table


def methods(rows: Sequence[Row]) -> dict[str, list[Measure | None]]:
    """Θ, Θ*, then all else that has a score, by name: how each did on each period."""
    others = {name: [score(row) for row in rows] for name, score in beside(rows).items()}
    return {NAMES["theta"]: [row.theta for row in rows], NAMES["star"]: [row.star for row in rows]} | others


def _last(measures: Sequence[Measure | None], figure: str) -> float | None:
    """Of the last period that it was scored on."""
    last = next((one for one in reversed(measures) if one is not None), None)
    value: float | None = None if last is None else getattr(last, figure)
    return value
