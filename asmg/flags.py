"""Flags that several commands have, alike in each."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no day as 2016-01-31 is") from error


Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.NAME=VALUE", help="A setting, before environment and asmg.toml."),
]
Home = Annotated[Path | None, typer.Option(help="Folder of the embedded Kafka and the store; else `home`.")]
Data = Annotated[Path | None, typer.Option(help="Folder or file; without it the synthetic shop.")]
Dataset = Annotated[
    str | None, typer.Option(help="movielens, tmall, sobazaar, clicks or synthetic; else detected.")
]
Since = Annotated[date | None, typer.Option(parser=_day, metavar="DAY", help="Events from this day (UTC).")]
Until = Annotated[date | None, typer.Option(parser=_day, metavar="DAY", help="Events before this day (UTC).")]
Events = Annotated[int | None, typer.Option(min=1, help="About how many events the synthetic shop makes.")]
Speed = Annotated[str, typer.Option(help="How many times faster than it happened, or 'max'.")]
Pace = Annotated[str, typer.Option(help="'trained': at most one closed period waits; or 'max'.")]
Json = Annotated[bool, typer.Option("--json", help="Figures as JSON.")]
