"""How far the loop has come, from its topics alone: the same rows that serving shows, and who lags behind."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from confluent_kafka import Consumer
from rich import box
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from asmg import report
from asmg.config import Settings
from asmg.running import running
from asmg.watch import Watch
from stream.positions import Position, positions
from stream.topics import Topics
from trainer.announced import Announced

#: How often a watched status is drawn anew, in seconds.
EVERY = 1.0


@dataclass(frozen=True)
class Stages:
    """The last period that each stage has done, and how far each lags behind the one before."""

    closed: int
    trained: int
    generated: int  # 0 until the generator's window is full
    decided: int
    windowing_lag: int  # records of `events` that windowing has not taken yet

    @classmethod
    def of(cls, announced: Announced, windowed: Mapping[int, Position]) -> Stages:
        """From what is announced, and where windowing is."""
        stars = [version for kind, version in announced.models if kind == "star"]
        return cls(
            closed=max(len(announced.manifests) - 1, 0),
            trained=announced.last_theta(),
            generated=max(stars, default=0),
            decided=announced.last_decided(),
            windowing_lag=sum(position.waiting for position in windowed.values()),
        )

    @property
    def lag(self) -> dict[str, int]:
        """Windowing in events; trainer and metagen in closed periods."""
        return {
            "window_events": self.windowing_lag,
            "train_periods": self.closed - self.trained,
            "metagen_periods": self.closed - self.decided,
        }


def status(settings: Settings, *, as_json: bool, watched: bool) -> None:
    """Print it, once or, a second apart, until Ctrl-C. Raises: AsmgError."""
    with (
        running(settings) as (_, broker, topics, client),
        Watch(broker, topics) as watch,
        contextlib.suppress(KeyboardInterrupt),
    ):
        watch.catch_up()
        if watched and not as_json:
            _draw_anew(watch, client, topics)
        _print(watch, Stages.of(watch.announced, positions(client, topics)), topics, as_json=as_json)
        while watched:
            time.sleep(EVERY)
            watch.look()
            _print(watch, Stages.of(watch.announced, positions(client, topics)), topics, as_json=True)


def _draw_anew(watch: Watch, client: Consumer, topics: Topics) -> None:
    with Live(auto_refresh=False, transient=True) as live:
        while True:
            live.update(drawn(watch, Stages.of(watch.announced, positions(client, topics))), refresh=True)
            time.sleep(EVERY)
            watch.look()


def _print(watch: Watch, stages: Stages, topics: Topics, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(described(topics, watch, stages)), flush=True)
    else:
        report.console().print(drawn(watch, stages))


def described(topics: Topics, watch: Watch, stages: Stages) -> dict[str, Any]:
    """The status as `--json` writes it."""
    last = watch.last
    return {
        "prefix": topics.prefix,
        "closed": stages.closed,
        "trained": stages.trained,
        "generated": stages.generated,
        "decided": stages.decided,
        "lag": stages.lag,
        "counts": last.counts if last else {},
        "events_per_second": report.per_second(last) if last else 0.0,
        "periods": msgspec.to_builtins(watch.rows),
    }


def drawn(watch: Watch, stages: Stages) -> RenderableType:
    """The status as people read it."""
    unused = report.unused({row.period: msgspec.to_builtins(row.unused) for row in watch.rows})
    return Group(report.table(watch.rows), *map(Text, unused), positions_table(stages))


def positions_table(stages: Stages) -> Table:
    """Each stage, the last period it has done, and how far it lags."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("stage")
    table.add_column("last period", justify="right")
    table.add_column("lag", justify="right")
    lag = stages.lag
    table.add_row("closed", str(stages.closed), f"{lag['window_events']:,} events not windowed yet")
    table.add_row("trained", str(stages.trained), f"{lag['train_periods']:,} periods")
    table.add_row("generated", str(stages.generated) if stages.generated else report.NONE, "")
    table.add_row("decided", str(stages.decided), f"{lag['metagen_periods']:,} periods")
    return table
