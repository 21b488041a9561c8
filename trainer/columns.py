"""Tensors as Arrow columns and back, canonical: equal content gives equal bytes."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from trainer.adam import Moments
from trainer.parts import column, lists, read_arrays, table_of


def vectors(tensor: Tensor) -> pa.FixedSizeListArray:
    """A tensor [rows, …] as a list of fixed size per row, row-major."""
    flat = np.ascontiguousarray(tensor.detach().cpu().numpy()).reshape(-1)
    width = prod(tensor.shape[1:])
    kind = pa.list_(pa.field("item", pa.from_numpy_dtype(flat.dtype), nullable=False), width)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), type=kind)


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
    return {one: torch.from_numpy(array) for one, array in read_arrays(table, name).items()}


def read_moments(table: pa.Table) -> Moments:
    """The moments that `tensors_table` wrote."""
    return Moments(read_tensors(table, "m"), read_tensors(table, "v"), constant(table, "step"))


def constant(table: pa.Table, name: str) -> int:
    """A number that every row repeats."""
    return int(column(table, name)[0].as_py())
