"""`asmg models explain`: from a model back to the events it was made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import msgspec
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from asmg.models.places import Places
from asmg.models.registry import Registry
from serving.board import rows
from stream.records import Announcement
from trainer.lineage import Link, chain, made_of, name_of

#: Columns of words; the others are figures.
TEXTS = ("period", "closed by", "not used meanwhile", "kept in")


def explained(models: Registry, model: Announcement, whole: bool) -> dict[str, Any]:
    """What the model was made of and, for each period among that, where its samples and events lie.

    Every link back to the first period is checked; only `whole` lists them all. Raises: BrokerError.
    """
    links = list(chain(models.announced, model))
    shown = links if whole else made_of(models.announced, model)
    places = Places(models.client, models.place.topics, models.place.store)
    unused = {row.period: msgspec.to_builtins(row.unused) for row in rows(models.announced, {})}
    periods = {_number(one.parent) for one in shown if one.parent.startswith("period/")}
    return {
        "model": name_of(model),
        "links": [_told(one) for one in shown],
        "checked": len(links),
        "broken": [_told(one) for one in links if one.broken],
        "superseded": [_told(one) for one in links if one.superseded],
        "periods": [
            {**places.of(manifest), "unused": unused.get(one, {})}
            for one in sorted(periods, reverse=True)
            if (manifest := models.announced.manifest(one))
        ],
    }


def explaining(found: dict[str, Any]) -> RenderableType:
    """The chain as people read it."""
    of = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("model", "made of", "its hash then", ""):
        of.add_column(title)
    for one in found["links"]:
        of.add_row(one["child"], one["parent"], one["recorded"][:16], _state(one))
    periods = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in (
        "period",
        "closed by",
        "samples",
        "not used meanwhile",
        "kept in",
        "partition",
        "numbers",
        "offsets in samples",
        "offsets in events",
    ):
        periods.add_column(title, justify="left" if title in TEXTS else "right")
    for one in found["periods"]:
        for place, (partition, where) in enumerate(one["partitions"].items()):
            kept = " and ".join(one["kept"]) or "neither Kafka nor archive"
            unused = [f"{count:,} {fate}" for fate, count in one["unused"].items() if count]
            told = (one["period"], one["reason"], f"{one['samples']:,}", ", ".join(unused) or "none", kept)
            head = told if place == 0 else ("",) * len(told)
            spans = (_span(where[name]) for name in ("numbers", "samples", "events"))
            periods.add_row(*head, partition, *spans)
    return Group(Text(found["model"]), of, periods, Text(_verdict(found)))


def _verdict(found: dict[str, Any]) -> str:
    broken, since, checked = found["broken"], found["superseded"], f"{found['checked']:,}"
    if broken:
        first = f"{broken[0]['child']} was made of another {broken[0]['parent']}"
        return f"{len(broken):,} of {checked} links do not hold, first: {first}"
    if not since:
        return f"all {checked} links back to the first period hold"
    leads = "1 leads" if len(since) == 1 else f"{len(since):,} lead"
    return (
        f"none of {checked} links back to the first period is broken; {leads} to a model that has been "
        f"superseded since: {since[0]['child']} was made of {since[0]['parent']} as it was before"
    )


def _told(link: Link) -> dict[str, Any]:
    return {**asdict(link), "holds": link.holds}


def _state(link: dict[str, Any]) -> str:
    if link["holds"]:
        return "the same now"
    if link["superseded"]:
        return f"superseded since, by {link['there'][:16]}"
    return "not there" if link["there"] is None else f"another now: {link['there'][:16]}"


def _span(span: Sequence[int] | None) -> str:
    return "forgotten" if span is None else f"{span[0]:,} to {span[1]:,}"


def _number(name: str) -> int:
    return int(name.partition("/")[2])
