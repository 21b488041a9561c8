"""What the parts of a model are called and how they are read as Arrow, for whoever has no need of torch."""

from __future__ import annotations

from collections.abc import Container, Mapping
from math import prod

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stream.errors import CorruptArtefact, MissingArtefact
from trainer.activity import Activity

#: Tables in the order of their parts; a model without categories has no third.
TABLES = ("user", "item", "category")
#: The part of a snapshot that holds its MLP, and the one that holds items with their categories.
MLP, CATALOGUE = "mlp", "catalogue"

#: What begins the names of a calibrator's tensors (metagen/calibrator.py).
CALIBRATOR = "calibrator_"

#: The kernel that products of vectors enter the MLP by: what a net of so few units cannot make of the vectors
#: themselves (product layers: Qu et al., ICDM 2016).
PRODUCTS = "product_kernel"

#: What a mean adds to the length it divides by (method.md, Base model).
POOLING_EPSILON = 1e-8

#: The counts beside a table's vectors, and how they are stored.
ACTIVITY = {
    "positives": np.int32,
    "impressions": np.int32,
    "positives_so_far": np.int64,
    "last_seen": np.int32,
}

Arrays = npt.NDArray[np.generic]
Parts = Mapping[str, pa.Table]


def part_of(parts: Parts, name: str) -> pa.Table:
    """One of them. Raises: MissingArtefact: it is not there."""
    if name not in parts:
        raise MissingArtefact(f"a model's part {name!r} is missing; there are {', '.join(parts)}")
    return parts[name]


def table_of(columns: Mapping[str, pa.Array]) -> pa.Table:
    """One chunk per column, no nulls, no metadata."""
    fields = [pa.field(name, array.type, nullable=False) for name, array in columns.items()]
    return pa.Table.from_arrays(list(columns.values()), schema=pa.schema(fields))


def lists(offsets: Arrays, values: Arrays) -> pa.ListArray:
    """Ragged rows as lists; offsets [rows + 1] from zero."""
    kind = pa.list_(pa.field("item", pa.from_numpy_dtype(values.dtype), nullable=False))
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(values), type=kind)


def column(table: pa.Table, name: str) -> pa.Array:
    """One column as one array without offset.

    Raises: CorruptArtefact: the table has no such column.
    """
    if name not in table.column_names:
        raise CorruptArtefact(f"a part lacks the column {name!r}; it has {', '.join(table.column_names)}")
    whole = table[name].combine_chunks()
    return whole.chunk(0) if isinstance(whole, pa.ChunkedArray) and whole.num_chunks else whole


def read_arrays(part: pa.Table, name: str = "value") -> dict[str, npt.NDArray[np.float32]]:
    """The named arrays of one column of a part that `trainer.columns.tensors_table` wrote, in their order."""
    names, shapes = column(part, "name").to_pylist(), column(part, "shape").to_pylist()
    flat = column(part, name).flatten().to_numpy(zero_copy_only=False)
    cuts = np.cumsum([prod(shape) for shape in shapes])[:-1]
    pieces = zip(names, np.split(flat, cuts), shapes, strict=True)
    return {one: values.reshape(shape).copy() for one, values, shape in pieces}


def read_activity(part: pa.Table) -> Activity:
    """The counts of one table's rows."""
    return Activity(*(column(part, name).to_numpy().astype(np.int64) for name in ACTIVITY))


def activity_of(parts: Parts) -> dict[str, Activity]:
    """The counts of every table of a snapshot's parts."""
    return {name: read_activity(parts[name]) for name in TABLES if name in parts}


def reads_activity(mlp: Container[str]) -> bool:
    """Whether the logit of a model whose MLP has these tensors depends on how active item and user were."""
    return "activity_kernel1" in mlp or f"{CALIBRATOR}kernel1" in mlp
