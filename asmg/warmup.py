"""`asmg warmup`: history windowed and learnt offline, so that the live loop goes on where it ends.

Θ_0, the periods after it and the generator are made by the workers of the live loop, from what
`stream/history` has published: there is one way to learn a period, and a warm-up that was broken off is gone
on with by running it again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from asmg.config import Settings
from metagen.generators import generator_of
from metagen.worker import generate
from serving.board import rows
from stream.close.read import PeriodReader
from stream.history.beginning import Division, division
from stream.history.publish import History
from stream.history.steps import Steps
from stream.records import Manifest
from stream.store import Store
from trainer.announced import Announced
from trainer.kafka import Logs, Workplace
from trainer.lineage import name_of
from trainer.worker import train

#: Told how much of a stage is done, in [0, 1].
Tell = Callable[[float], None]


def warm_up(
    place: Workplace,
    durable: Store,
    settings: Settings,
    steps: Steps,
    periods: int | None,
    stop: threading.Event,
    console: Console,
) -> dict[str, Any] | None:
    """Take history to the models of its last period; figures of it, None when stopped before.

    durable: where what windowing begins with is kept. periods: how many of history's periods are learnt one
    after the other; the others are what Θ_0 is pre-trained on.
    Raises: AsmgError: the history makes too few periods, the stream has begun already, a worker fails.
    """
    history = History(place.kafka, place.topics, durable, settings.stream)
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:

        def stage(name: str) -> Tell:
            task = progress.add_task(name, total=1.0)
            return lambda share: progress.update(task, completed=share)

        parts = division(steps, settings.stream, periods, usual(settings), stage("counting periods"))
        published = history.publish(steps, parts, stop, stage("windowing"))
        if published is None:
            return None
        start, counts = published
        closed = stage("closing")
        history.close(parts.periods, stop, lambda period: closed(period / max(1, parts.periods)))
        announced = _learn(place, settings, start, parts.periods, stop, stage("learning"))
    return None if stop.is_set() else figures(announced, parts, counts)


def usual(settings: Settings) -> int:
    """Periods after which a generator may serve: those before its first window is full, and its warm-up."""
    generator = generator_of(settings.metagen, settings.trainer.batch, settings.stream.seed)
    return generator.least + generator.before + settings.metagen.tau


def _learn(
    place: Workplace, settings: Settings, start: Manifest, until: int, stop: threading.Event, tell: Tell
) -> Announced:
    """The trainer and metagen at work until the gate has decided on that period, or a stop; what is there.

    Raises: AsmgError: one of them failed.
    """
    trainer = settings.trainer.model_copy(update={"metrics_port": 0})
    metagen = settings.metagen.model_copy(update={"metrics_port": 0})
    other = replace(place, read=PeriodReader(place.kafka, place.topics, place.store))
    ended = threading.Event()
    with Logs(place) as logs, ThreadPoolExecutor(2) as pool:
        running = [
            pool.submit(train, place, trainer, ended),
            pool.submit(generate, other, trainer, metagen, ended),
        ]

        def over() -> bool | None:
            decided = logs.announced.last_decided()
            tell(decided / max(1, until))
            begun = start.reason != "history" or logs.announced.model("theta", 0) is not None
            return (begun and decided >= until) or any(one.done() for one in running) or None

        try:
            logs.wait(over, stop)
        finally:
            ended.set()
        for one in running:
            one.result()
        return logs.announced


def figures(announced: Announced, parts: Division, counts: dict[str, int]) -> dict[str, Any]:
    """What the warm-up came to, for machines. Times are ms of event time. counts: of history's events."""
    start, last = announced.manifests[0], announced.manifests[parts.periods]
    word = announced.gate.get(parts.periods)
    theta = announced.model("theta", 0)
    return {
        "events": counts,
        "periods": parts.whole,
        "pretrained": {
            "periods": parts.pretrained,
            "samples": start.count,
            "positives": start.positives,
            "hash": theta.hash() if theta else None,
        },
        "learnt": [
            {
                "period": row.period,
                "samples": row.samples,
                "theta": msgspec.to_builtins(row.theta),
                "star": msgspec.to_builtins(row.star),
                "word": msgspec.to_builtins(row.word),
            }
            for row in rows(announced, {})[: parts.periods]
        ],
        "last_decided_at": last.cut[0] if last.cut else None,
        "serves": name_of(word) if word else None,
        "reason": word.reason if word else None,
    }


def said(found: dict[str, Any]) -> str:
    """The same in words."""
    events, pretrained, learnt = found["events"], found["pretrained"], len(found["learnt"])
    unused = [f"{events[name]:,} {name}" for name in ("late", "delayed", "duplicate", "dead") if events[name]]
    lines = [
        f"{events['produced']:,} events of history make {found['periods']} whole periods"
        + (f" ({', '.join(unused)})" if unused else ""),
        f"theta/0 is pre-trained on {pretrained['samples']:,} samples of the first {pretrained['periods']}"
        if pretrained["periods"]
        else "theta/0 is what the seed determines: no period is left to pre-train it on",
    ]
    if learnt:
        lines.append(f"periods 1 to {learnt} are learnt; {found['serves']} serves: {found['reason']}")
        lines.append(f"their last sample was decided at {_time(found['last_decided_at'])} UTC")
    lines.append(f"the stream goes on with period {learnt + 1}: asmg window, train, metagen, serve")
    return "\n".join(lines)


def _time(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"
