"""Sobazaar (`Sobazaar-hashID.csv.gz`): what users of a fashion app did with which product, and when."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stream.errors import DataError
from stream.replay import columns
from stream.replay.source import Choices, Rows, Source, in_order, list_of_none, named

FILE = "Sobazaar-hashID.csv.gz"

#: The names a column goes by, in lower case and without anything but letters.
_NAMES = {
    "action": ("action", "actiontype", "event", "eventtype"),
    "timestamp": ("timestamp", "time", "datetime", "date"),
    "item id": ("itemid", "item", "productid", "product"),
    "user id": ("userid", "user", "hashid"),
}


def read(path: Path, choices: Choices) -> Source:
    """Every action a click, or those of `actions` alone; the log has no categories.

    Raises: DataError: also where a column is not found by name or no action is of those asked for.
    """
    names = _match(path, columns.header(path))
    log = columns.read(path, list(names.values()))
    user, item, ts = log.ids(names["user id"]), log.ids(names["item id"]), log.times(names["timestamp"])
    if choices.actions is not None:
        action = log.ids(names["action"])
        chosen = pc.is_in(action.dictionary, pa.array(choices.actions, pa.string()))
        if not pc.any(chosen).as_py():
            known = ", ".join(sorted(action.dictionary.to_pylist())[:10])
            raise DataError(f"{path.name}: has no action {', '.join(choices.actions)}; it has {known}")
        kept = chosen.take(action.indices)
        user, item, ts = user.filter(kept), item.filter(kept), ts[kept.to_numpy(zero_copy_only=False)]
    rows = Rows(user, item, list_of_none(len(ts)), np.asarray(ts), clicked=None, impression_id=None)
    return Source(named("sobazaar", [path], choices.actions or ()), in_order(rows))


def _match(path: Path, header: list[str]) -> dict[str, str]:
    """What each wanted column is called in this file."""
    plain = {re.sub(r"[^a-z]", "", name.lower()): name for name in reversed(header)}
    found = {}
    for wanted, names in _NAMES.items():
        name = next((plain[name] for name in names if name in plain), None)
        if name is None:
            raise DataError(
                f"{path.name}: has no column for the {wanted} (called {', '.join(names)} in any case); "
                f"it has {', '.join(header)}"
            )
        found[wanted] = name
    return found
