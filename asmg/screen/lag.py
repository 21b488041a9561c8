"""Each stage: the last period it has done, what it has yet to take, and how that went."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from asmg.report import NONE
from asmg.screen.figures import SOFT, columns, spark
from asmg.seen import Seen

#: What a stage has yet to take.
OF = {
    "window": "events",
    "train": "periods",
    "generate": "periods",
    "serve": "words",
    "histories": "records",
}


def lag(seen: Seen, line: int) -> Table:
    """As serving tells; where it does not answer, of the stages of which Kafka does."""
    stages, state = seen.stages, seen.heard.state
    done = {
        "window": stages.closed,
        "train": stages.trained,
        "generate": stages.generated,
        "serve": state.serving.period if state and state.serving else 0,
    }
    waiting: dict[str, int | None] = {
        "window": stages.windowing_lag,
        "train": stages.closed - stages.trained,
        "generate": stages.closed - stages.decided,
        "serve": state.lag.serve if state else None,
        "histories": state.lag.histories if state else None,
    }
    table = columns("stage", "period", "lag", "", " ", left=("stage", "", " "))
    for stage, unit in OF.items():
        left = waiting[stage]
        over = spark([getattr(one.lag, stage) for one in state.moments], line) if state else Text("")
        table.add_row(
            stage,
            str(done.get(stage) or NONE),
            NONE if left is None else f"{left:,}",
            Text(unit, style=SOFT),
            over,
        )
    return table
