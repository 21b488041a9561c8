"""Models without a user: every version that is kept, announced anew without the user's row."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace
from rich.console import Console
from rich.progress import track

from asmg.models.registry import Registry
from metagen.forgotten import ROLES, without_users
from stream.errors import MissingArtefact
from stream.records import Announcement, Shadow, now
from trainer.announced import Announced
from trainer.kafka import Logs, put_all
from trainer.lineage import name_of
from trainer.parts import column
from trainer.settings import buckets_of

Model = Announcement | Shadow


def forget(found: Registry, user: str, dry: bool, console: Console, stop: threading.Event) -> dict[str, Any]:
    """Versions that the gate has decided on, shadows' too, superseded by ones without the user; then what
    held the user goes from the store, and from Redis. Raises: AsmgError.
    """
    decided, everything = found.announced.last_decided(), _all(found.announced)
    done, later = list[Model](), list[str]()
    if dry:
        looked_at = track(everything, "models", console=console, transient=True)
        return _row([one for one in looked_at if _has(found, one, user)], [], dry)
    with Logs(found.place) as logs:
        logs.catch_up(stop)
        for one in track(everything, "models", console=console, transient=True):
            if not _has(found, one, user):
                continue
            if one.version > decided:  # somebody may be about to read it
                later.append(name_of(one))
                continue
            _supersede(found, logs, one, user, stop)
            done.append(one)
        found.announced.models.update(logs.announced.models)
        found.announced.shadows.update(logs.announced.shadows)
        found.announced.superseded.update(logs.announced.superseded)
    _delete(found)
    return _row(done, later, dry)


def newest_has(found: Registry, user: str) -> bool:
    """Whether the last Θ has a row for the user."""
    theta = found.announced.model("theta", found.announced.last_theta())
    return theta is not None and _has(found, theta, user)


def _has(found: Registry, model: Model, user: str) -> bool:
    """Whether the store has the model with a row for the user. A hashed table names rows by their numbers."""
    if "user" not in model.parts or _hashed(model):
        return False
    try:
        users = found.place.store.get(model.parts["user"])
    except MissingArtefact:
        return False
    return _row_of(users, user) >= 0


def _row_of(users: pa.Table, user: str) -> int:
    """-1 where there is none."""
    return int(pc.index(column(users, "id"), user).as_py())


def _hashed(model: Model) -> bool:
    return buckets_of(model.settings.get("trainer", {}).get("user_rows", "grow")) is not None


def _supersede(found: Registry, logs: Logs, model: Model, user: str, stop: threading.Event) -> None:
    store = found.place.store
    parts = {role: store.get(model.parts[role]) for role in ROLES if role in model.parts}
    row = _row_of(parts["user"], user)
    names = put_all(store, without_users(parts, np.array([row])))
    mine = replace(
        model,
        parts=model.parts | names,
        forgotten=model.forgotten + 1,
        announced_at=now(),
        supersedes=model.hash(),
    )
    logs.supersede(mine, stop)


def _delete(found: Registry) -> None:
    """The parts with users in them of all that was superseded by what has forgotten some."""
    announced, store = found.announced, found.copies or found.place.store
    needed = {part for one in _all(announced) for part in one.parts.values()}
    for old in announced.superseded.values():
        there = announced.counting(old)
        if there is not None and there.forgotten > old.forgotten:
            for role in ROLES:
                part = old.parts.get(role)
                if part is not None and part not in needed:
                    store.delete(part)


def _all(announced: Announced) -> list[Model]:
    return [*announced.models.values(), *announced.shadows.values()]


def _row(done: list[Model], later: list[str], dry: bool) -> dict[str, Any]:
    versions = sorted({one.version for one in done})
    does = "would be" if dry else "are"
    span = f"{versions[0]} to {versions[-1]}" if versions else ""
    what = (
        f"{len(done)} models of versions {span} {does} without the user's row"
        if done
        else "none that was looked at has a row of the user"
    )
    left = f"{', '.join(later)}: not decided on yet, `asmg forget` again" if later else ""
    return {"place": "models kept", "done": what, "left": left}
