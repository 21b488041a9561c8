"""`asmg models rebuild`: models made again from Kafka and the store, and compared byte by byte."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import track

from asmg.models.registry import Registry
from metagen.rebuild import rebuild
from stream.records import Announcement
from trainer.kafka import CODE_VERSION
from trainer.lineage import chain, name_of


def remade(models: Registry, model: Announcement, whole: bool, console: Console) -> list[dict[str, Any]]:
    """The model or, where `whole`, all that it goes back to and itself, oldest first: what came out of each.

    Each is made from the announced ones before it, so that where all come to the same, so does the chain.
    Raises: AsmgError: as `rebuild`.
    """
    wanted = [model]
    if whole:
        back = {one.parent for one in chain(models.announced, model)} | {name_of(model)}
        wanted = [one for one in models.models() if name_of(one) in back]
    found = []
    for one in track(wanted, "rebuilding", console=console, transient=True, disable=len(wanted) == 1):
        again = rebuild(models.place, models.announced, one)
        found.append({"model": name_of(one), "parts": len(one.parts), "differing": again.differing})
    return found


def said(found: list[dict[str, Any]], model: Announcement) -> str:
    """The verdict in one line."""
    parts = sum(one["parts"] for one in found)
    others = [one for one in found if one["differing"]]
    what = f"{len(found)} models" if len(found) > 1 else found[0]["model"]
    if not others:
        return f"{what}: {parts} parts came out the same, byte by byte"
    first = others[0]
    return (
        f"{first['model']} comes out different in {', '.join(first['differing'])} (made by version "
        f"{model.code_version}, this is {CODE_VERSION}; other torch, CPU or GPU make other bits too)"
    )
