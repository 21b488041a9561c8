"""A model's parts lie in memory once: mapped without a copy, and gone when nobody maps them any more."""

from __future__ import annotations

import gc
import mmap
import os
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from serving.bundle import Bundle, Mapped, Span
from trainer.columns import vectors
from trainer.parts import column, lists, table_of

linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is seen in /proc")


def parts(rows: int = 40, width: int = 5) -> dict[str, pa.Table]:
    random = torch.Generator().manual_seed(1)
    ids = pa.array([f"u{one}" for one in range(rows)], pa.string())
    return {
        "user": table_of({"vector": vectors(torch.rand(rows, width, generator=random)), "id": ids}),
        "item": table_of({"vector": vectors(torch.rand(2 * rows, width + 1, generator=random))}),
        "catalogue": table_of(
            {
                "id": ids,
                "row": pa.array(np.arange(rows)),
                "categories": lists(np.arange(rows + 1), np.arange(rows, dtype=np.int32)),
            }
        ),
    }


def mappings() -> list[tuple[int, int]]:
    """Addresses [first, last + 1) of this process at which bundles are mapped."""
    lines = [one for one in Path("/proc/self/maps").read_text().splitlines() if "memfd:asmg-model" in one]
    return [(int(low, 16), int(high, 16)) for low, high in (one.split()[0].split("-") for one in lines)]


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_parts_come_back_equal() -> None:
    laid = parts()
    with Bundle(laid) as bundle:
        mapped = Mapped(bundle.fd, bundle.spans)
    assert mapped.parts.keys() == laid.keys()
    for role, table in laid.items():
        assert mapped.parts[role].equals(table)
        assert mapped.parts[role].schema == table.schema
        mapped.parts[role].validate(full=True)


def test_spans_name_the_parts_in_order_and_do_not_overlap() -> None:
    laid = parts()
    with Bundle(laid) as bundle:
        spans, size = bundle.spans, bundle.nbytes
    assert [one.role for one in spans] == list(laid)
    ends = [0, *(one.offset + one.length for one in spans)]
    assert all(one.offset >= end for one, end in zip(spans, ends, strict=False))
    assert all(one.offset % 64 == 0 for one in spans)
    assert size == ends[-1]


@pytest.mark.parametrize(
    ("role", "name"), [("user", "vector"), ("item", "vector"), ("catalogue", "row"), ("user", "id")]
)
@linux
def test_numbers_are_seen_where_they_are_mapped(role: str, name: str) -> None:
    laid = parts()
    with Bundle(laid) as bundle:
        mapped = Mapped(bundle.fd, bundle.spans)
    there = mapped.parts[role][name].chunk(0)
    if name == "id":  # what is read of text is seen there, too
        address, size = there.buffers()[2].address, there.buffers()[2].size
    else:
        numbers = mapped.numbers(there)
        expected = column(laid[role], name)
        flat = expected.flatten() if pa.types.is_fixed_size_list(expected.type) else expected
        np.testing.assert_array_equal(numbers.reshape(-1), flat.to_numpy())
        address, size = numbers.__array_interface__["data"][0], numbers.nbytes
    assert any(low <= address and address + size <= high for low, high in mappings())


def test_vectors_have_their_width() -> None:
    laid = parts()
    with Bundle(laid) as bundle:
        mapped = Mapped(bundle.fd, bundle.spans)
    numbers = mapped.numbers(mapped.parts["item"]["vector"].chunk(0))
    assert numbers.shape == (80, 6)
    assert numbers.dtype == np.float32


def test_nobody_writes_what_others_read() -> None:
    with Bundle(parts()) as bundle:
        mapped = Mapped(bundle.fd, bundle.spans)
    numbers = mapped.numbers(mapped.parts["user"]["vector"].chunk(0))
    with pytest.raises(ValueError, match="read-only"):
        numbers[0, 0] = 1  # type: ignore[call-overload]


def test_a_part_of_a_column_is_seen_from_where_it_begins() -> None:
    laid = parts()
    with Bundle(laid) as bundle:
        mapped = Mapped(bundle.fd, bundle.spans)
    vector = mapped.parts["user"]["vector"].chunk(0)
    np.testing.assert_array_equal(mapped.numbers(vector.slice(7, 4)), mapped.numbers(vector)[7:11])
    row = mapped.parts["catalogue"]["row"].chunk(0)
    assert mapped.numbers(row.slice(3, 2)).tolist() == [3, 4]


@linux
def test_memory_outlives_the_descriptor_and_goes_with_the_last_that_is_read_of_it() -> None:
    gc.collect()
    before = len(mappings())
    bundle = Bundle(parts())
    mapped = Mapped(bundle.fd, bundle.spans)
    bundle.close()
    numbers = mapped.numbers(mapped.parts["user"]["vector"].chunk(0))
    view, table = numbers[1:], mapped.parts["catalogue"]
    kept = float(numbers[1:].sum())
    del mapped, numbers
    gc.collect()
    assert len(mappings()) == before + 1
    assert float(view.sum()) == kept
    del view
    gc.collect()
    assert len(mappings()) == before + 1
    assert table["id"][3].as_py() == "u3"
    del table
    gc.collect()
    assert len(mappings()) == before


@linux
def test_only_the_context_closes_the_descriptor_and_only_once() -> None:
    before = descriptors()
    with Bundle(parts()) as bundle:
        fd = bundle.fd
        assert os.fstat(fd).st_size == bundle.nbytes > 0
        mapped = Mapped(fd, bundle.spans)
        assert os.fstat(fd).st_size == bundle.nbytes
    del mapped
    gc.collect()
    with pytest.raises(OSError):
        os.fstat(fd)
    assert descriptors() == before


@linux
def test_the_descriptor_is_closed_where_writing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    before, laid = descriptors(), parts()

    class Broken:
        schema = laid["user"].schema

    with pytest.raises(TypeError):
        Bundle({"item": laid["item"], "user": Broken()})  # type: ignore[dict-item]
    gc.collect()
    assert descriptors() == before


def test_tables_without_rows_come_back_with_their_columns() -> None:
    laid = {role: table.slice(0, 0) for role, table in parts().items()} | {"mlp": parts()["user"]}
    with Bundle(laid) as bundle:
        mapped = Mapped(bundle.fd, bundle.spans)
    for role, table in laid.items():
        assert mapped.parts[role].schema == table.schema
        assert len(mapped.parts[role]) == len(table)
    numbers = mapped.numbers(column(mapped.parts["user"], "vector"))
    assert (numbers.shape, numbers.dtype) == ((0, 5), np.float32)
    assert mapped.numbers(column(mapped.parts["catalogue"], "row")).shape == (0,)


def test_a_system_without_such_files_has_a_temporary_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    laid = parts()
    with Bundle(laid) as bundle:
        mapped = Mapped(bundle.fd, bundle.spans)
    assert mapped.parts["user"].equals(laid["user"])


def test_spans_that_lie_beyond_the_memory_are_not_read() -> None:
    with Bundle(parts()) as bundle:
        beyond = [Span("user", mmap.PAGESIZE * 1000, 100)]
        with pytest.raises((pa.ArrowInvalid, IndexError, ValueError)):
            Mapped(bundle.fd, beyond)
