"""`asmg models prune`: parts of models that nobody needs any more, taken out of the store.

What was announced stays announced, with its scores and hashes; of the versions that go, the bytes alone do.

| kept                                | because                                                           |
|-------------------------------------|-------------------------------------------------------------------|
| the newest `keep` versions          | trainer, metagen and shadows go on from the last of them          |
| the version that serves, or is held | a serving process that starts reads it                            |
| a part that one of these names too  | parts are named by their content, and versions share them         |
| checkpoints, archived samples       | they are no parts of models: windowing and the archiver have them |

| killed                    | then                                                              |
|---------------------------|-------------------------------------------------------------------|
| in the middle             | `prune` again: what is gone is passed over                        |
| a version is wanted again | `mend --all` makes it from samples that Kafka or the archive has  |
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.progress import track

from asmg.models.registry import Registry
from metagen.settings import MetagenSettings
from stream.errors import ConfigurationError
from stream.records import Announcement, Shadow
from trainer.lineage import name_of

#: The most periods of data that a base model's strategy looks back on (bu-7).
_DATA = 7


def pruned(
    models: Registry,
    settings: MetagenSettings,
    shadows: Iterable[str],
    keep: int,
    dry: bool,
    console: Console,
) -> dict[str, Any]:
    """Takes away the parts that only versions before the newest `keep` name, or tells of them where `dry`.

    shadows: names of those that run. Raises: ConfigurationError: workers need more than `keep`; StoreError.
    """
    least = max(settings.k, settings.full_k, _DATA) + 2
    if keep < least:
        raise ConfigurationError(
            f"--keep must be {least} or more: workers that start again read that many versions back"
        )
    announced = models.announced
    reached = min([announced.last_decided(), *map(announced.last_shadow, shadows)])
    first = max(1, reached - keep + 1)
    everything: list[Announcement | Shadow] = [
        *announced.models.values(), *announced.superseded.values(), *announced.shadows.values(),
    ]  # fmt: skip
    old, needed = list[Announcement | Shadow](), set[str]()
    for one in everything:
        if one.version < first and first > 1 and name_of(one) != models.serving:
            old.append(one)
        else:
            needed.update(one.parts.values())
    wanted = sorted({part for one in old for part in one.parts.values()} - needed)
    store = models.copies or models.place.store
    gone = 0
    for part in track(wanted, "looking" if dry else "pruning", console=console, transient=True):
        if models.place.store.has(part):
            gone += 1
            if not dry:
                store.delete(part)
    return {"first_kept": first, "versions": len({one.version for one in old}), "parts": gone, "dry_run": dry}


def said(found: dict[str, Any]) -> str:
    """What was done, as people read it."""
    if not found["parts"]:
        return "nothing to prune: the store holds no part that only older versions name"
    does = "would go" if found["dry_run"] else "gone"
    return f"{found['parts']} parts of versions before {found['first_kept']} {does}"
