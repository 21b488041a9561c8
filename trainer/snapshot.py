"""Θ_t with all that its update goes on from, as Arrow parts and back; no pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor

from stream.errors import ConfigurationError
from trainer.activity import Activity
from trainer.adam import Moments, zero_moments
from trainer.catalogue import Catalogue
from trainer.columns import read_moments, read_tensors, read_vectors, tensors_table, vectors
from trainer.model import Theta
from trainer.own import own_base
from trainer.parts import (
    ACTIVITY,
    CATALOGUE,
    MLP,
    TABLES,
    Parts,
    column,
    lists,
    part_of,
    read_activity,
    table_of,
)
from trainer.settings import TrainerSettings


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What the trainer is at the end of a period, its catalogue aside."""

    theta: Theta
    moments: Moments  # zero, and not written, where settings.moments is fresh
    activity: dict[str, Activity]  # table -> counts per row

    def to(self, device: torch.device) -> Snapshot:
        """The same snapshot with its tensors on a device."""
        return Snapshot(self.theta.to(device), self.moments.to(device), self.activity)


def snapshot_parts(
    snapshot: Snapshot, catalogue: Catalogue, settings: TrainerSettings
) -> dict[str, pa.Table]:
    """The parts of Θ_t: a table each for user, item (category), mlp and catalogue.

    Tables: id (a hashed table's row number), vector, m, v, positives, impressions, positives_so_far,
    last_seen.
    """
    moments = None if settings.moments == "fresh" else snapshot.moments
    parts = {}
    for name, table in snapshot.theta.tables.items():
        columns = _id_and_vector(catalogue, name, table)
        if moments is not None:
            columns |= {"m": vectors(moments.m[name]), "v": vectors(moments.v[name])}
        parts[name] = table_of(columns | _activity_columns(snapshot.activity[name]))
    parts[MLP] = tensors_table(snapshot.theta.mlp, moments)
    parts[CATALOGUE] = catalogue_part(catalogue)
    return parts


def model_parts(
    theta: Theta, catalogue: Catalogue, activity: Mapping[str, Activity] | None = None
) -> dict[str, pa.Table]:
    """A model alone, as Θ*_t is published: tables of id, vector and, if given, activity; mlp, catalogue."""
    counts = {name: _activity_columns(one) for name, one in (activity or {}).items()}
    parts = {
        name: table_of(_id_and_vector(catalogue, name, table) | counts.get(name, {}))
        for name, table in theta.tables.items()
    }
    return parts | {MLP: tensors_table(theta.mlp, None), CATALOGUE: catalogue_part(catalogue)}


def read_snapshot(parts: Parts, settings: TrainerSettings) -> Snapshot:
    """The snapshot of these parts, on the CPU.

    Raises: MissingArtefact: a part is not among them; CorruptArtefact: a column is missing;
    ConfigurationError: as `read_theta`.
    """
    theta = read_theta(parts, settings)
    if settings.moments == "fresh":
        moments = zero_moments(theta.named())
    else:
        mlp = read_moments(part_of(parts, MLP))
        m = {name: read_vectors(part_of(parts, name), "m") for name in theta.tables}
        v = {name: read_vectors(part_of(parts, name), "v") for name in theta.tables}
        moments = Moments(m | mlp.m, v | mlp.v, mlp.step)
    return Snapshot(theta, moments, {name: read_activity(part_of(parts, name)) for name in theta.tables})


def read_theta(parts: Parts, settings: TrainerSettings | None = None) -> Theta:
    """The parameters alone, of a snapshot's parts or of a generated model's; None: of a built-in model.

    Raises: ConfigurationError: those of the settings' `base` have other names or shapes.
    """
    tables = {
        name: read_vectors(part_of(parts, name), "vector")
        for name in TABLES
        if name in parts or name != "category"
    }
    mlp, own = read_tensors(part_of(parts, MLP)), None
    if settings is not None and (own := own_base(settings, "category" in tables)) is not None:
        own.require(*({name: one.shape for name, one in each.items()} for each in (tables, mlp)))
    return Theta(tables, mlp, own)


def read_catalogue(parts: Parts, settings: TrainerSettings) -> Catalogue:
    """Ids, rows and categories as of these parts.

    Raises: ConfigurationError: a hashed table of another size than the settings say, or hashed no longer.
    """
    catalogue = Catalogue(settings, "category" in parts)
    for name, vocabulary in catalogue.columns().items():
        ids = column(part_of(parts, name), "id")
        if vocabulary.buckets is not None:
            if len(ids) != vocabulary.buckets:
                raise ConfigurationError(
                    f"{name}_rows is hash:{vocabulary.buckets}, but the stored model has {len(ids)} rows; "
                    "keep the setting a model began with"
                )
        elif name != "item":  # items are numbered by the catalogue part
            vocabulary.admit(ids.to_pylist())
    part = part_of(parts, CATALOGUE)
    categories = column(part, "categories")
    catalogue.restore(
        column(part, "id").to_pylist(),
        categories.offsets.to_numpy().astype(np.int64),
        categories.values.to_numpy().astype(np.int64),
        None if settings.forget_after is None else _named_in(parts),
    )
    rows = column(part, "row").to_numpy()
    if not np.array_equal(rows, catalogue.item_row):
        raise ConfigurationError(f"item_rows is {settings.item_rows}, but the stored model's rows are others")
    return catalogue


def catalogue_part(catalogue: Catalogue) -> pa.Table:
    """Items by number: id, row of the item table, rows of the category table; where ids leave, named_in."""
    columns = {
        "id": pa.array(catalogue.items.ids, pa.string()),
        "row": pa.array(catalogue.item_row.astype(np.int32)),
        "categories": lists(catalogue.category_offsets, catalogue.category.astype(np.int32)),
    }
    if catalogue.named_in is not None:
        columns["named_in"] = pa.array(catalogue.named_in.astype(np.int32))
    return table_of(columns)


def _named_in(parts: Parts) -> npt.NDArray[np.int64]:
    """[items] the period that named each last; that of the parts, where ids did not leave yet."""
    part = part_of(parts, CATALOGUE)
    if "named_in" in part.column_names:
        return np.asarray(column(part, "named_in").to_numpy(), np.int64)
    newest = column(part_of(parts, "user"), "last_seen").to_numpy().max(initial=0)
    return np.full(len(part), newest, np.int64)


def _activity_columns(activity: Activity) -> dict[str, pa.Array]:
    return {name: pa.array(getattr(activity, name).astype(kind)) for name, kind in ACTIVITY.items()}


def _id_and_vector(catalogue: Catalogue, name: str, table: Tensor) -> dict[str, pa.Array]:
    ids = catalogue.columns()[name].row_names()
    return {"id": pa.array(ids, pa.string()), "vector": vectors(table)}
