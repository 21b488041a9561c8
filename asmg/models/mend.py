"""`asmg models mend`: parts that the store has lost, made again from what their model was made of.

A part of which Redis still has a copy is put back as it is. Where what is made again comes out the same,
byte by byte, it is put back and nobody need know. Where it comes out otherwise (another machine, or a GPU)
what was lost is lost for good: all parts of what came out are put into the store, and an announcement that
supersedes the old one takes its place for everyone who follows.

| who                               | what becomes of it                                               |
|-----------------------------------|------------------------------------------------------------------|
| trainer, metagen at work          | go on from the old one, and record it as what they used          |
| trainer, metagen that start again | go on from the new one                                           |
| serving that answers with the old | keeps it until the next model or its next start                  |
| serving that was refused it       | takes the new one at its next try                                |
| models made of the old one        | stay; `explain` says that their parent has been superseded since |
| the gate                          | the old one's score stands: it was of the model before           |

| killed                             | then                                                                  |
|------------------------------------|-----------------------------------------------------------------------|
| before all parts are put           | `mend` again: parts are put again, harmlessly                         |
| with the parts, before the record  | the same; where bits differ once more, the parts of before lie unused |
| while another mends the same model | the first record counts for both                                      |
"""

from __future__ import annotations

import threading
from typing import Any

import pyarrow as pa
from msgspec.structs import replace
from rich.console import Console
from rich.progress import track

from asmg.models.registry import Registry
from asmg.models.remake import behind
from metagen.rebuild import Rebuilt, rebuild
from stream.errors import ConfigurationError, CorruptArtefact, MissingArtefact
from stream.records import Announcement, now
from stream.store import Store
from trainer.kafka import CODE_VERSION, Logs, put_all
from trainer.lineage import name_of, named
from trainer.settings import Device


def mended(
    models: Registry, model: Announcement, whole: bool, device: Device | None, console: Console
) -> list[dict[str, Any]]:
    """The model or, where `whole`, all that it goes back to and itself, oldest first: what of each was lost,
    and what became of it. `device`: another than a model was made on.

    Raises: AsmgError: as `rebuild`.
    """
    wanted = behind(models, model) if whole else [model]
    found = []
    for one in track(wanted, "mending", console=console, transient=True, disable=len(wanted) == 1):
        lost = lost_of(models.place.store, one)
        done = _mend(models, one, lost, device) if lost else "whole"
        found.append({"model": name_of(one), "lost": lost, "done": done})
    return found


def device_of(text: str | None) -> Device | None:
    """What --device says. Raises: ConfigurationError: it is neither cpu nor cuda."""
    match text:
        case None | "cpu" | "cuda":
            return text
    raise ConfigurationError(f"--device is cpu or cuda, not {text}")


def lost_of(store: Store, model: Announcement) -> list[str]:
    """Roles of the parts that the store has no more, or has damaged. Raises: StoreError: it cannot say."""
    lost = []
    for role, name in model.parts.items():
        try:
            store.get(name)
        except (MissingArtefact, CorruptArtefact):
            lost.append(role)
    return lost


def said(found: list[dict[str, Any]]) -> str:
    """What was done, a line for each model that had lost something."""
    words = {
        "copied back": "copied back from Redis",
        "put back": "made again, the same byte by byte, and put back",
        "superseded": "made again and came out different: superseded, for all who start from now on",
    }
    lines = [f"{one['model']}: {', '.join(one['lost'])} {words[one['done']]}" for one in found if one["lost"]]
    what = f"all {len(found)} models are" if len(found) > 1 else f"{found[0]['model']} is"
    return "\n".join(lines) or f"{what} whole: nothing to mend"


def _mend(models: Registry, model: Announcement, lost: list[str], device: Device | None) -> str:
    lost = [role for role in lost if not _copied_back(models, model.parts[role])]
    if not lost:
        return "copied back"
    again = rebuild(models.place, models.announced, model, device, models.base)
    if not set(again.differing) & set(lost):
        for role in lost:
            _put_back(models, model.parts[role], again.tables[role])
        return "put back"
    if model.forgotten > again.left_out:
        raise MissingArtefact(
            f"{name_of(model)} has forgotten a user whom no period has forgotten yet: mend it again once one "
            "has, or restore its parts from a backup"
        )
    _supersede(models, model, again)
    return "superseded"


def _copied_back(models: Registry, name: str) -> bool:
    """Whether Redis had the part, which is durable again then. Raises: StoreError: it cannot be written."""
    if models.copies is None:
        return False
    try:
        table = models.copies.get(name)
    except (MissingArtefact, CorruptArtefact):
        return False
    _put_back(models, name, table)
    return True


def _put_back(models: Registry, name: str, table: pa.Table) -> None:
    models.place.store.delete(name)  # a damaged one, which putting would leave as it is
    models.place.store.put(table)


def _supersede(models: Registry, model: Announcement, again: Rebuilt) -> None:
    """Announces what came out in the model's place; whatever counts then is what `models` goes on with."""
    there = {parent: named(models.announced, parent) for parent in model.parents}
    mine = replace(
        model,
        parts=put_all(models.place.store, again.tables),
        parents={parent: one.hash() for parent, one in there.items() if one is not None},
        settings={**model.settings, "device": again.device},
        code_version=CODE_VERSION,
        announced_at=now(),
        supersedes=model.hash(),
        forgotten=again.left_out,
    )
    stop = threading.Event()
    with Logs(models.place) as logs:
        logs.catch_up(stop)
        logs.supersede(mine, stop)
        models.announced.models.update(logs.announced.models)
        models.announced.superseded.update(logs.announced.superseded)
