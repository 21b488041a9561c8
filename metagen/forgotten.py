"""A model's parts without some of its users: what is left for those who read it, and go on from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metagen.parts import HIDDEN
from stream.forgotten import named
from trainer.catalogue import Ints
from trainer.parts import column, lists, table_of
from trainer.strategies.sml import PREVIOUS, UPDATED
from trainer.strategies.spmf import RESERVOIR

#: The parts that have a row for each user, the first of which names them.
USERS = ("user", f"{HIDDEN}user", f"{PREVIOUS}user", f"{UPDATED}user")
#: Those and the one that names users by their rows: all that a user who is forgotten may lie in.
ROLES = (*USERS, RESERVOIR)


def rows_of(users: pa.Table, forgotten: Collection[str]) -> Ints:
    """The rows of a growing table that belong to these users (`digest_of`), ascending."""
    if not forgotten:
        return np.zeros(0, np.int64)
    return np.flatnonzero(named(column(users, "id").to_pylist(), forgotten))


def without_users(parts: Mapping[str, pa.Table], rows: Ints) -> dict[str, pa.Table]:
    """The parts without these rows of a growing table of users; those behind move up (`trainer.leaving`).

    Parts of no user are as they were, and so are all where there are no rows.
    """
    if not len(rows):
        return dict(parts)
    found = dict(parts)
    for role in USERS:
        if role in parts:
            stays = np.ones(len(parts[role]), np.bool_)
            stays[rows[rows < len(stays)]] = False
            found[role] = _only(parts[role], stays)
    if RESERVOIR in parts:
        found[RESERVOIR] = _reservoir(parts[RESERVOIR], rows, len(parts["user"]))
    return found


def _reservoir(part: pa.Table, rows: Ints, users: int) -> pa.Table:
    """As `Reservoir.without`: with a free slot one counts as having seen what it keeps."""
    stays = np.ones(users, np.bool_)
    stays[rows] = False
    user, label = column(part, "user").to_numpy(), column(part, "label").to_numpy()
    seen = column(part, "seen").to_numpy().copy()
    for one in np.unique(label):
        mine = label == one
        if not stays[user[mine]].all():
            seen[mine] = np.count_nonzero(stays[user[mine]])
    kept = _only(part, stays[user])
    history = column(kept, "history")
    places = np.cumsum(stays) - 1
    columns = {name: column(kept, name) for name in kept.column_names}
    columns["user"] = pa.array(places[user[stays[user]]].astype(np.int32))
    columns["history"] = lists(
        history.offsets.to_numpy() - history.offsets[0].as_py(), history.flatten().to_numpy()
    )
    columns["seen"] = pa.array(seen[stays[user]])
    return table_of(columns)


def _only(table: pa.Table, stays: npt.NDArray[np.bool_]) -> pa.Table:
    return table.take(pa.array(np.flatnonzero(stays))).combine_chunks()
