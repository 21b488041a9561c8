"""From an announcement to parts that a model can be opened from: read by hash, verified, and no more of them
than answers need. Nothing here loads torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stream.errors import AsmgError, ConfigurationError, CorruptArtefact, MissingArtefact
from stream.records import Announcement
from stream.store import Store
from trainer.activity import activity_inputs
from trainer.kafka import get_all, require_base
from trainer.lineage import name_of
from trainer.parts import CATALOGUE, MLP, TABLES, column, read_activity, reads_activity, table_of
from trainer.settings import TrainerSettings, buckets_of


def fetch(store: Store, announced: Announcement, settings: TrainerSettings) -> dict[str, pa.Table]:
    """The announced model as parts, each of one chunk, their every number finite and their rows consistent.

    user, item, category: vector, id where the table grows, and activity [3] (`activity_inputs`) where the
    model reads it. mlp: name, shape, value. catalogue: id, row, categories.

    Raises: StoreError: a part is missing or corrupt; ConfigurationError: the settings are of another model.
    """
    require_base(announced, settings.base)
    roles = [role for role in (*TABLES, MLP, CATALOGUE) if role in announced.parts]
    parts = get_all(store, announced, roles)
    name = name_of(announced)
    if lacking := {"user", "item", MLP, CATALOGUE} - parts.keys():
        raise MissingArtefact(f"{name} is announced without {', '.join(sorted(lacking))}")
    with usable(name):
        active = reads_activity(column(parts[MLP], "name").to_pylist())
        needed = {
            role: _table(name, role, parts[role], settings, announced.version if active else None)
            for role in TABLES
            if role in parts
        }
        needed[MLP] = _mlp(name, parts[MLP])
        needed[CATALOGUE] = _catalogue(name, parts[CATALOGUE], needed, settings)
    return needed


@contextmanager
def usable(name: str) -> Iterator[None]:
    """Whatever bytes of a wrong form make Arrow or numpy raise within, as CorruptArtefact of that model."""
    try:
        yield
    except AsmgError:
        raise
    except Exception as error:
        said = str(error).splitlines() or [type(error).__name__]
        raise CorruptArtefact(f"{name} cannot be used: {said[0]}") from error


def hashed(settings: TrainerSettings, role: str) -> int | None:
    """Rows of a table whose ids are hashed; None where it grows."""
    return buckets_of(getattr(settings, f"{role}_rows"))


def _table(
    name: str, role: str, part: pa.Table, settings: TrainerSettings, active_in: int | None
) -> pa.Table:
    """active_in: the period whose activity the model reads, None where it reads none."""
    vectors, buckets = column(part, "vector"), hashed(settings, role)
    if buckets is not None and len(part) != buckets:
        raise ConfigurationError(
            f"{role}_rows is hash:{buckets}, but the stored model has {len(part)} rows; keep the setting a "
            "model began with"
        )
    width = settings.embedding
    slots = (width,) if role == "category" else (width, width + 1)  # users and items may have a bias
    if settings.base is None and vectors.type.list_size not in slots:  # who opens one of one's own knows its
        raise CorruptArtefact(f"{name} has a table {role} of width {vectors.type.list_size}, not {width}")
    _require_finite(name, role, vectors)
    columns = {"vector": vectors}
    if buckets is None and role != "item":  # items are named by the catalogue
        columns["id"] = _distinct(name, role, column(part, "id"))
    if active_in is not None and role != "category":
        inputs = activity_inputs(read_activity(part), active_in, len(part))
        columns["activity"] = pa.FixedSizeListArray.from_arrays(pa.array(inputs.reshape(-1)), 3)
    return table_of(columns)


def _mlp(name: str, part: pa.Table) -> pa.Table:
    for tensor, values in zip(column(part, "name").to_pylist(), column(part, "value"), strict=True):
        _require_finite(name, tensor, values.values)
    return table_of({one: column(part, one) for one in ("name", "shape", "value")})


def _catalogue(
    name: str, part: pa.Table, tables: Mapping[str, pa.Table], settings: TrainerSettings
) -> pa.Table:
    rows, categories = column(part, "row"), column(part, "categories")
    numbers, items = rows.to_numpy(), len(tables["item"])
    if hashed(settings, "item") is None and not np.array_equal(numbers, np.arange(items)):
        raise ConfigurationError(f"item_rows is {settings.item_rows}, but the stored model's rows are others")
    _require_below(name, "item", numbers, items)
    if "category" in tables:
        _require_below(name, "category", categories.values.to_numpy(), len(tables["category"]))
    ids = _distinct(name, CATALOGUE, column(part, "id"))
    return table_of({"id": ids, "row": rows, "categories": categories})


def _distinct(name: str, part: str, ids: pa.Array) -> pa.Array:
    if pc.count_distinct(ids).as_py() != len(ids):
        raise CorruptArtefact(f"{name} has an id twice in {part}")
    return ids


def _require_finite(name: str, part: str, values: pa.Array) -> None:
    flat = values.flatten() if pa.types.is_fixed_size_list(values.type) else values
    if not np.isfinite(flat.to_numpy(zero_copy_only=False)).all():
        raise CorruptArtefact(f"{name} holds a number in {part} that is not finite")


def _require_below(name: str, table: str, rows: npt.NDArray[np.integer], size: int) -> None:
    if len(rows) and not 0 <= rows.min() <= rows.max() < size:
        raise CorruptArtefact(f"{name} names rows of table {table} that it does not have: {size} are there")
