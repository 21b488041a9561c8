"""What a demo came to: as figures for machines, and as a table for people. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any

import msgspec
from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table

from serving.board import Measure, Row, Unused
from serving.health import NAMES
from stream.records import KINDS, Manifest
from trainer.announced import Announced

#: What becomes of an event; each is exactly one of these.
FATES = ("used", "pending", "late", "delayed", "duplicate", "dead")

#: Those of them that make no sample.
UNUSED = Unused.__struct_fields__

#: Last periods over which medians are taken.
LAST = 7

#: Width of the table where no terminal says another, in characters.
WIDTH = 132

NONE = "–"


@dataclass(frozen=True)
class Outcome:
    """All that the figures are made of."""

    rows: Sequence[Row]  # periods, oldest first
    announced: Announced
    source: int  # events that the source has and the replay had acknowledged
    produced: int  # events counted in Kafka, those included that were sent twice or by others
    memory_mb: float = 0.0  # peak of all workers together
    kafka_memory_mb: float = 0.0  # peak of the embedded node
    restarts: Mapping[str, int] = field(default_factory=dict)


def figures(outcome: Outcome) -> dict[str, Any]:
    """The figures as `--json` writes them. Seconds are None where a stage was not seen from here."""
    manifest = outcome.announced.manifests[-1]
    fresh = [row.freshness_seconds for row in outcome.rows if row.freshness_seconds is not None]
    return {
        "events": outcome.source,
        "samples": sum(row.samples for row in outcome.rows),
        "lost": lost(outcome.source, outcome.produced, manifest.counts),
        "periods": [_period(row) for row in outcome.rows],
        "compared": compared(outcome.rows),
        "events_per_second": per_second(manifest),
        "freshness_seconds": {"p50": _median(fresh), "max": max(fresh, default=None)},
        "seconds": {
            "train": _late(outcome.rows, "train"),
            "generate": _late(outcome.rows, "generate"),
            "close_to_served": _late(outcome.rows, "close_to_served"),
        },
        "counts": manifest.counts | {"in_kafka": outcome.produced},
        "memory_mb": round(outcome.memory_mb),
        "kafka_memory_mb": round(outcome.kafka_memory_mb),
        "restarts": dict(outcome.restarts),
        "hashes": hashes(outcome.announced),
    }


def lost(source: int, produced: int, counts: Mapping[str, int]) -> int:
    """Events that are there and of which windowing does not say what became; below 0 where it says too much.

    `source` and `produced` are known without windowing: the former from the file, the latter from the topic.
    """
    return max(source, produced) - sum(counts.get(fate, 0) for fate in FATES)


def per_second(manifest: Manifest) -> float:
    """Events windowed a second while input was waiting; 0 before there is any."""
    produced = manifest.counts.get("produced", 0)
    return round(produced / manifest.busy_seconds, 1) if manifest.busy_seconds else 0.0


def hashes(announced: Announced) -> dict[str, list[str]]:
    """Of every period, Θ, Θ* and shadow, oldest first: what must be the same however the run went."""
    models = sorted(announced.models)
    return {
        "periods": [manifest.hash() for manifest in announced.manifests],
        **{kind: [announced.models[one].hash() for one in models if one[0] == kind] for kind in KINDS},
        "shadows": [announced.shadows[one].hash() for one in sorted(announced.shadows)],
    }


def table(rows: Sequence[Row], title: str | None = None) -> Table:
    """Periods as rows: samples, scores, what serves, seconds in each stage."""
    drawn = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    shown = beside(rows)
    columns = [f"AUC {name}".replace("-", "- ") for name in shown]  # long names break at their hyphens
    stages = ("close s", "train s", "generate s", "swap s", "close to served s")
    for name in (
        "period",
        "samples",
        "AUC Θ",
        "AUC Θ*",
        *columns,
        "LogLoss Θ",
        "LogLoss Θ*",
        "serves",
        *stages,
    ):
        widest = max(map(len, name.split()))
        side: JustifyMethod = "left" if name == "serves" else "right"
        drawn.add_column(name, justify=side, min_width=max(6, widest))
    for row in rows:
        served, seconds = row.served or row.word, row.seconds
        drawn.add_row(
            str(row.period),
            f"{row.samples:,}",
            *(number(_part(score, "auc"), 4) for score in (row.theta, row.star)),
            *(number(_part(score(row), "auc"), 4) for score in shown.values()),
            *(number(_part(score, "logloss"), 4) for score in (row.theta, row.star)),
            f"{NAMES[served.kind]} {served.version}" if served else NONE,
            *(
                number(spent, 1)
                for spent in (
                    seconds.close,
                    seconds.train,
                    seconds.generate,
                    seconds.swap,
                    seconds.close_to_served,
                )
            ),
        )
    return drawn


def unused(periods: Mapping[int, Mapping[str, int]]) -> list[str]:
    """A line for each fate of events that made no sample, with the periods that had any; given by period."""
    lines = []
    for fate in UNUSED:
        found = [f"{period}: {counts[fate]:,}" for period, counts in periods.items() if counts[fate]]
        if found:
            lines.append(f"{fate} by period: {', '.join(found)}")
    return lines or [f"no event was {', '.join(UNUSED[:-1])} or {UNUSED[-1]} in any period"]


def beside(rows: Sequence[Row]) -> dict[str, Callable[[Row], Measure | None]]:
    """Whatever has a score but Θ and Θ*, by name: the moving average, then shadows, as they got one."""
    average = {NAMES["ema"]: lambda row: row.ema} if any(row.ema for row in rows) else {}
    return average | {name: lambda row, name=name: row.shadows.get(name) for name in shadows_of(rows)}


def shadows_of(rows: Sequence[Row]) -> list[str]:
    """The names of all shadows that have a score, in the order in which they got one."""
    return list(dict.fromkeys(name for row in rows for name in row.shadows))


def compared(rows: Sequence[Row]) -> dict[str, dict[str, float | None]]:
    """Mean scores of everything over the last periods in which all of it was scored; empty if in none."""
    shown = beside(rows)
    named = [
        {NAMES["theta"]: row.theta, NAMES["star"]: row.star}
        | {name: score(row) for name, score in shown.items()}
        for row in rows
    ]
    whole = [one for one in named if all(score is not None for score in one.values())][-LAST:]
    if not whole:
        return {}
    return {
        name: {figure: _mean([_part(one[name], figure) for one in whole]) for figure in ("auc", "logloss")}
        for name in whole[0]
    }


def summary(made: Mapping[str, Any]) -> list[str]:
    """The lines below the table, from the figures."""
    counts, fresh, seconds = made["counts"], made["freshness_seconds"], made["seconds"]
    fates = " + ".join(f"{counts.get(fate, 0):,} {fate}" for fate in FATES)
    last = min(LAST, len(made["periods"]))
    memory = f"{made['memory_mb']:,} MB of memory at most, all workers together"
    if made["kafka_memory_mb"]:
        memory += f"; {made['kafka_memory_mb']:,} MB Kafka"
    lines = [
        f"{made['events']:,} events, {made['samples']:,} samples, {made['lost']:,} lost "
        f"({counts['in_kafka']:,} in Kafka = {fates})",
        f"{made['events_per_second']:,.0f} events/s while windowing had input waiting",
        f"freshness, from a period's last event to its model being served: "
        f"median {number(fresh['p50'], 1)} s, at most {number(fresh['max'], 1)} s",
        f"medians over the last {last} periods: train {number(seconds['train'], 1)} s, "
        f"generate {number(seconds['generate'], 1)} s, "
        f"close to served {number(seconds['close_to_served'], 1)} s",
        memory,
    ]
    lines += unused({period["period"]: period["unused"] for period in made["periods"]})
    if made["compared"]:
        means = ", ".join(
            f"{name} {number(score['auc'], 4)} / {number(score['logloss'], 4)}"
            for name, score in made["compared"].items()
        )
        lines.insert(
            2, f"AUC / LogLoss, means over the last periods, at most {LAST}, that all were scored on: {means}"
        )
    if made["restarts"]:
        again = ", ".join(f"{name} {count} times" for name, count in sorted(made["restarts"].items()))
        lines.append(f"started again: {again}")
    return lines


def line(row: Row) -> str:
    """A period as one plain line."""
    served = row.served or row.word
    return (
        f"period {row.period}: {row.samples:,} samples, "
        f"AUC Θ {number(_part(row.theta, 'auc'), 4)} Θ* {number(_part(row.star, 'auc'), 4)}, "
        f"serves {f'{NAMES[served.kind]} {served.version}' if served else NONE}, "
        f"{number(row.seconds.close_to_served, 1)} s from closed to served"
    )


def _period(row: Row) -> dict[str, Any]:
    served = row.served or row.word
    return {
        "period": row.period,
        "samples": row.samples,
        "reason": row.reason,
        "unused": msgspec.to_builtins(row.unused),
        "theta": _score(row.theta),
        "star": _score(row.star),
        "ema": _score(row.ema),
        "shadows": {name: _score(score) for name, score in row.shadows.items()},
        "served": {"version": served.version, "kind": served.kind} if served else None,
        "gate": row.gate,
        "seconds": {
            "close": row.seconds.close,
            "train": row.seconds.train,
            "generate": row.seconds.generate,
            "swap": row.seconds.swap,
            "close_to_served": row.seconds.close_to_served,
        },
        "freshness_seconds": row.freshness_seconds,
    }


def _score(score: Measure | None) -> dict[str, float | None] | None:
    return None if score is None else {"auc": score.auc, "logloss": score.logloss}


def _part(score: Measure | None, name: str) -> float | None:
    value: float | None = None if score is None else getattr(score, name)
    return value


def console() -> Console:
    """Where tables go: as wide as the terminal, or wide enough for all columns where there is none."""
    found = Console()
    return found if found.is_terminal else Console(width=WIDTH)


def number(value: float | None, digits: int) -> str:
    """So many digits, or a dash for what is not there or not finite."""
    return NONE if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def _median(values: Sequence[float]) -> float | None:
    return round(median(values), 3) if values else None


def _mean(values: Sequence[float | None]) -> float | None:
    """None where one is."""
    found = [one for one in values if one is not None]
    return round(fmean(found), 5) if found and len(found) == len(values) else None


def _late(rows: Sequence[Row], stage: str) -> float | None:
    spent = [getattr(row.seconds, stage) for row in rows[-LAST:]]
    return _median([one for one in spent if one is not None])
