"""Dead letters and replays as tables, and the bars that are shown meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from stream.dead.letters import OnProgress
from stream.dead.replay import Report, Stage
from stream.dead.verdict import FINISHED


@contextmanager
def bars() -> Iterator[Stage]:
    """Draws a bar for each stage while the context lasts; on what is no terminal nothing."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:

        def stage(name: str) -> OnProgress:
            task = progress.add_task(name, total=None)
            return lambda done, total: progress.update(task, completed=done, total=total)

        yield stage


def listed(found: Mapping[str, Any]) -> list[RenderableType]:
    """What `asmg dead-letters list` prints."""
    if not found["letters"]:
        return [Text("No dead letter." if not found["older"] else "None among the newest: raise --limit.")]
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("letters", "replayed"):
        drawn.add_column(name, justify="right", no_wrap=True)
    for name in ("first", "last (UTC)"):
        drawn.add_column(name, no_wrap=True)
    drawn.add_column("topic and reason, and the newest of them", ratio=1)
    for one in found["groups"]:
        example = one["example"]
        where = f"  {example['partition']}/{example['offset']} "
        drawn.add_row(
            f"{one['letters']:,}",
            f"{one['replayed']:,}",
            _moment(one["first"]),
            _moment(one["last"]),
            _lines(f"{one['topic']}: {one['reason']}", where + example["value"]),
        )
    parts: list[RenderableType] = [drawn]
    if found["older"]:
        parts.append(Text(f"{found['letters']:,} letters, the newest: there are older ones (--limit)."))
    return parts


def described(done: Report, *, dry: bool) -> dict[str, Any]:
    """What `asmg dead-letters replay --json` prints."""
    return {
        "dry_run": dry,
        "letters": [
            {"topic": topic, "outcome": outcome, "letters": count}
            | {"reason": done.reasons.get((topic, outcome), "")}
            for (topic, outcome), count in sorted(done.letters.items())
        ],
        "events": done.events,
        "late": done.late,
        "written_by_a_replay_that_died": done.before,
        "beyond_limit": done.more,
        "unreadable": done.unreadable,
    }


def reported(done: Report, *, dry: bool) -> list[RenderableType]:
    """What `asmg dead-letters replay` prints."""
    parts: list[RenderableType] = []
    if done.letters:
        drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for name in ("topic", "became", "letters", "the first of them, why"):
            drawn.add_column(name, justify="right" if name == "letters" else "left")
        for (topic, outcome), count in sorted(done.letters.items()):
            why = "" if outcome == FINISHED[0] else done.reasons.get((topic, outcome), "")
            drawn.add_row(Text(topic), outcome, f"{count:,}", Text(_plain(why)))
        parts.append(drawn)
    verb = "would be written" if dry else "written"
    parts.append(Text(f"{done.events:,} events {verb}, by event time."))
    if done.late:
        parts.append(
            Text(
                f"{done.late:,} of them are older than what windowing has passed (as it stands now): "
                "they count as late and make no sample."
            )
        )
    if done.before:
        parts.append(Text(f"{done.before:,} letters had been written by a replay that died."))
    if done.more:
        parts.append(Text(f"{done.more:,} letters beyond --limit are left for another run."))
    if done.unreadable:
        parts.append(Text(f"{done.unreadable:,} records of the topic are no dead letters of ours."))
    return parts


def _lines(reason: str, example: str) -> Text:
    """Two lines, each cut where the column ends."""
    return Text(f"{_plain(reason)}\n", no_wrap=True, overflow="ellipsis").append(_plain(example), "dim")


def _plain(text: str) -> str:
    """What somebody sent, without what a terminal would take for an order."""
    return "".join(one if one.isprintable() else "·" for one in text)


def _moment(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M}"
