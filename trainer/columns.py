"""Tensors as Arrow columns and back, canonical: equal content gives equal bytes."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor

from stream.errors import CorruptArtefact
from trainer.adam import Moments

Arrays = npt.NDArray[np.generic]


def table_of(columns: Mapping[str, pa.Array]) -> pa.Table:
    """One chunk per column, no nulls, no metadata."""
    fields = [pa.field(name, array.type, nullable=False) for name, array in columns.items()]
    return pa.Table.from_arrays(list(columns.values()), schema=pa.schema(fields))


def vectors(tensor: Tensor) -> pa.FixedSizeListArray:
    """A tensor [rows, …] as a list of fixed size per row, row-major."""
    flat = np.ascontiguousarray(tensor.detach().cpu().numpy()).reshape(-1)
    width = prod(tensor.shape[1:])
    kind = pa.list_(pa.field("item", pa.from_numpy_dtype(flat.dtype), nullable=False), width)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), type=kind)


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


def read_vectors(table: pa.Table, name: str, inner: int | None = None) -> Tensor:
    """The tensor [rows, width] of a column that `vectors` wrote, or [rows, width / inner, inner]."""
    array = column(table, name)
    flat = np.array(array.flatten().to_numpy(zero_copy_only=False))  # a copy, which torch may write to
    width = array.type.list_size
    return torch.from_numpy(
        flat.reshape((len(array), *((width,) if inner is None else (width // inner, inner))))
    )


def tensors_table(tensors: Mapping[str, Tensor], moments: Moments | None, **constants: int) -> pa.Table:
    """Named tensors of any shape, one a row: name, shape, value, perhaps m, v and step; constants repeat."""
    sizes = np.array([tensor.numel() for tensor in tensors.values()])
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    shapes = [np.array(tensor.shape, np.int32) for tensor in tensors.values()]
    ranks = np.concatenate([np.zeros(1, np.int64), np.cumsum([len(shape) for shape in shapes])])

    def flat(named: Mapping[str, Tensor]) -> pa.ListArray:
        values = [named[name].detach().cpu().numpy().reshape(-1) for name in tensors]
        return lists(offsets, np.concatenate(values))

    columns = {
        "name": pa.array(list(tensors), pa.string()),
        "shape": lists(ranks, np.concatenate(shapes)),
        "value": flat(tensors),
    }
    if moments is not None:
        columns |= {"m": flat(moments.m), "v": flat(moments.v)}
        constants = {"step": moments.step, **constants}
    columns |= {name: pa.array(np.full(len(tensors), value)) for name, value in constants.items()}
    return table_of(columns)


def read_tensors(table: pa.Table, name: str = "value") -> dict[str, Tensor]:
    """The named tensors of one column that `tensors_table` wrote, in their order."""
    names, shapes = column(table, "name").to_pylist(), column(table, "shape").to_pylist()
    array = column(table, name)
    flat = np.array(array.flatten().to_numpy(zero_copy_only=False))
    cuts = np.cumsum([prod(shape) for shape in shapes])[:-1]
    parts = np.split(flat, cuts)
    return {
        one: torch.from_numpy(part.reshape(shape).copy())
        for one, part, shape in zip(names, parts, shapes, strict=True)
    }


def read_moments(table: pa.Table) -> Moments:
    """The moments that `tensors_table` wrote."""
    return Moments(read_tensors(table, "m"), read_tensors(table, "v"), constant(table, "step"))


def constant(table: pa.Table, name: str) -> int:
    """A number that every row repeats."""
    return int(column(table, name)[0].as_py())
