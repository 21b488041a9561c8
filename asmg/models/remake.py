"""`asmg models rebuild`: models made again from Kafka and the store, and compared byte by byte."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import track

from asmg.models.registry import Registry
from metagen.rebuild import rebuild
from stream.records import Announcement
from trainer.kafka import CODE_VERSION
from trainer.lineage import chain, made_of, name_of


def remade(models: Registry, model: Announcement, whole: bool, console: Console) -> list[dict[str, Any]]:
    """The model or, where `whole`, all that it goes back to and itself, oldest first: what came out of each.

    Each is made from the announced ones before it, so that where all come to the same, so does the chain.
    Raises: AsmgError: as `rebuild`.
    """
    wanted = behind(models, model) if whole else [model]
    found = []
    for one in track(wanted, "rebuilding", console=console, transient=True, disable=len(wanted) == 1):
        again = rebuild(models.place, models.announced, one, trainer_base=models.base)
        found.append(
            {
                "model": name_of(one),
                "parts": len(one.parts),
                "differing": again.differing,
                "forgotten": max(one.forgotten, again.left_out),
                "nobodys": again.nobodys,
                "superseded": [link.parent for link in made_of(models.announced, one) if link.superseded],
            }
        )
    return found


def behind(models: Registry, model: Announcement) -> list[Announcement]:
    """The model and all that it goes back to, oldest first."""
    back = {one.parent for one in chain(models.announced, model)} | {name_of(model)}
    return [one for one in models.models() if name_of(one) in back]


def said(found: list[dict[str, Any]], model: Announcement) -> str:
    """The verdict in one line."""
    parts = sum(one["parts"] for one in found)
    others = [one for one in found if one["differing"]]
    what = f"{len(found)} models" if len(found) > 1 else found[0]["model"]
    if not others:
        return f"{what}: {parts} parts came out the same, byte by byte"
    first = others[0]
    different = f"{first['model']} comes out different in {', '.join(first['differing'])}"
    if first["forgotten"] or first["nobodys"]:
        return (
            f"{different}: since it was made {first['forgotten']} users were forgotten in it, and "
            f"{first['nobodys']} samples of its period are nobody's any more"
        )
    if first["superseded"]:
        return f"{different}: it was made of {', '.join(first['superseded'])} before that was superseded"
    return (
        f"{different} (made by version "
        f"{model.code_version}, this is {CODE_VERSION}; other torch, CPU or GPU make other bits too)"
    )
