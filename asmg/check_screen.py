"""The findings of a check for people: a table of topics, what is dropped, the join, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from asmg.report import NONE, number
from stream.ingest.spans import said


def drawn(found: Mapping[str, Any]) -> Iterator[RenderableType]:
    """The parts, one below the other."""
    if found["topics"]:
        yield _topics(found)
    for topic in found["topics"]:
        yield from _of_topic(topic)
    for name, why in found["not_understood"].items():
        yield Text(f"{name}: not understood: {why}")
    if found["topics"]:
        yield Text(_joined(found["join"]))
    for warning in found["warnings"]:
        yield Text(f"! {warning}", style="yellow")
    if found["proposed"]:
        yield Text("\nProposed for asmg.toml (guessed from names and values; look at each line):\n")
        yield Text(found["proposed"])
    yield Text("\n" + _verdict(found))


def _topics(found: Mapping[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in (
        "topic",
        "records",
        "impressions",
        "clicks",
        "left out",
        "dropped",
        "per second",
        "first",
        "last",
    ):
        table.add_column(name, justify="left" if name in ("topic", "first", "last") else "right")
    for one in found["topics"]:
        rates = [rate for rate in one["per_second"].values() if rate]
        table.add_row(
            one["topic"],
            *(f"{one[name]:,}" for name in ("records", "impressions", "clicks", "left_out", "dropped")),
            number(sum(rates) if rates else None, 1),
            one["times"]["first"] or NONE,
            one["times"]["last"] or NONE,
        )
    return table


def _of_topic(one: Mapping[str, Any]) -> Iterator[Text]:
    """What a row of the table has no room for."""
    fields = one["fields"]
    if fields["example"]:
        parts = [f"{fields['users']:,} users", f"{fields['items']:,} items"]
        parts.append(f"{fields['with_categories']:.0%} with categories")
        if one["clicks"]:
            parts.append(f"{fields['clicks_with_impression_id']:.0%} of clicks name an impression")
        yield Text(f"{one['topic']}: {', '.join(parts)}")
        yield Text(f"  understood as {fields['example']}", style="dim")
    for reason in one["reasons"]:
        place = reason["example"]
        yield Text(f"  dropped {reason['count']:,}: {reason['reason']}")
        yield Text(
            f"    partition {place['partition']} offset {place['offset']}: {place['value']}", style="dim"
        )
    for kind, count in one["left_out_kinds"].items():
        yield Text(f"  left out {count:,}: {kind}")


def _joined(join: Mapping[str, Any]) -> str:
    if join["rate"] is None:
        return "join: no click in these samples can be held against impressions"
    delay = join["delay_ms"]
    text = f"join: {join['rate']:.1%} of {join['considered']:,} clicks find their impression"
    if delay["p99"] is not None:
        text += (
            f", half of them within {said(delay['p50'])}, 99 of 100 within {said(delay['p99'])}; "
            f'proposed: [stream] window = "{said(join["window_ms"])}"'
        )
    return text


def _verdict(found: Mapping[str, Any]) -> str:
    if not found["usable"]:
        return "Nothing is usable."
    if found["proposed"]:
        return "Put the tables into asmg.toml, mend what was guessed wrong, and look again: asmg check"
    return "Usable: asmg ingest brings it into events."
