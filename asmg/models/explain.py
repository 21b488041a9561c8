"""`asmg models explain`: from a model back to the events it was made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

from confluent_kafka import Consumer
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from asmg.models.registry import Registry
from stream import kafka
from stream.errors import CorruptRecord
from stream.records import Announcement, Manifest
from trainer.lineage import Link, chain, made_of, name_of


def explained(models: Registry, model: Announcement, whole: bool) -> dict[str, Any]:
    """What the model was made of and, for each period among that, where its samples and events lie.

    Every link back to the first period is checked; only `whole` lists them all. Raises: BrokerError.
    """
    links = list(chain(models.announced, model))
    shown = links if whole else made_of(models.announced, model)
    events = _events(models.client, models.place.topics.samples)
    periods = {_number(one.parent) for one in shown if one.parent.startswith("period/")}
    return {
        "model": name_of(model),
        "links": [_told(one) for one in shown],
        "checked": len(links),
        "broken": [_told(one) for one in links if not one.holds],
        "periods": [
            _period(manifest, events)
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
        "partition",
        "numbers",
        "offsets in samples",
        "offsets in events",
    ):
        periods.add_column(title, justify="left" if title in ("period", "closed by") else "right")
    for one in found["periods"]:
        for place, (partition, where) in enumerate(one["partitions"].items()):
            head = (one["period"], one["reason"], f"{one['samples']:,}") if place == 0 else ("", "", "")
            spans = (_span(where[name]) for name in ("numbers", "samples", "events"))
            periods.add_row(*head, partition, *spans)
    broken, checked = found["broken"], f"{found['checked']:,}"
    verdict = f"all {checked} links back to the first period hold"
    if broken:
        first = f"{broken[0]['child']} was made of another {broken[0]['parent']}"
        verdict = f"{len(broken):,} of {checked} links do not hold, first: {first}"
    return Group(Text(found["model"]), of, periods, Text(verdict))


def _told(link: Link) -> dict[str, Any]:
    return {**asdict(link), "holds": link.holds}


def _state(link: dict[str, Any]) -> str:
    if link["holds"]:
        return "the same now"
    return "not there" if link["there"] is None else f"another now: {link['there'][:16]}"


def _period(manifest: Manifest, events: Callable[[int, int, int], list[int] | None]) -> dict[str, Any]:
    return {
        "period": f"period/{manifest.period}",
        "reason": manifest.reason,
        "samples": manifest.count,
        "sha256": manifest.sha256,
        "partitions": {
            partition: {
                "numbers": list(manifest.samples[partition]),
                "samples": list(span),
                "events": events(int(partition), *span),
            }
            for partition, span in sorted(manifest.at.items(), key=lambda one: int(one[0]))
        },
    }


def _events(client: Consumer, topic: str) -> Callable[[int, int, int], list[int] | None]:
    """Of batches [first, last) of a partition of `samples`: the offsets of `events` [from, to) that were read
    while they came; None where Kafka forgot. A period ends where the next begins: each place is read once.

    A sample is decided there; its impression may lie before, by the attribution window at most.
    """
    low = cache(lambda partition: kafka.offsets(client, topic, partition)[0])
    reached = cache(lambda partition, at: _reached(client, topic, partition, at))

    def events(partition: int, first: int, last: int) -> list[int] | None:
        if first >= last or low(partition) > max(first - 1, 0):
            return None
        return [reached(partition, first - 1) if first else 0, reached(partition, last - 1)]

    return events


def _reached(client: Consumer, topic: str, partition: int, at: int) -> int:
    """How far in `events` windowing was when it wrote that record of `samples`."""
    (message,) = kafka.between(client, topic, partition, at, at + 1)
    offset = kafka.header(message, "offset")
    if offset is None:
        raise CorruptRecord(f"topic {topic}, partition {partition}, offset {at} does not say what was read")
    return int(offset)


def _span(span: Sequence[int] | None) -> str:
    return "forgotten" if span is None else f"{span[0]:,} to {span[1]:,}"


def _number(name: str) -> int:
    return int(name.partition("/")[2])
