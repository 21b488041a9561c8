"""The store by folder: names are hashes of content, and content that is not its name's is refused."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from stream.errors import CorruptArtefact, MissingArtefact, StoreError
from stream.store import ParquetStore, name_of


def part(rows: int, seed: int = 0) -> pa.Table:
    """A table like a snapshot's: ids, fixed-size vectors, counts."""
    random = np.random.default_rng(seed)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(random.random(rows * 8, np.float32)), 8)
    return pa.table(
        {"id": pa.array([f"i{row}" for row in range(rows)]), "vector": vectors, "seen": np.arange(rows)}
    )


@settings(max_examples=20, deadline=None)
@given(rows=some.integers(0, 300), cuts=some.lists(some.integers(0, 300), max_size=4))
def test_a_table_has_one_name_however_it_is_chunked(rows: int, cuts: list[int]) -> None:
    table = part(rows)
    edges = [0, *sorted(min(cut, rows) for cut in cuts), rows]
    pieces = pa.concat_tables([table.slice(a, b - a) for a, b in pairwise(edges)])
    assert name_of(pieces) == name_of(table)


def test_what_is_put_comes_back_bit_for_bit(tmp_path: Path) -> None:
    store, table = ParquetStore(tmp_path), part(1000)
    table = table.replace_schema_metadata({"step": "7"})
    name = store.put(table)
    assert store.put(table) == name
    assert store.get(name).equals(table, check_metadata=True)
    assert store.has(name)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_part_may_be_small(tmp_path: Path, rows: int) -> None:
    store = ParquetStore(tmp_path)
    assert store.get(store.put(part(rows))).equals(part(rows))


def test_a_part_that_was_swapped_for_another_is_refused(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    one, other = (next(tmp_path.glob(f"*/{store.put(part(9, seed))}.parquet")) for seed in (1, 2))
    one.write_bytes(other.read_bytes())
    with pytest.raises(CorruptArtefact, match=one.name):
        store.get(one.stem)


def test_a_part_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    name = store.put(part(9))
    file = next(tmp_path.glob("*/*.parquet"))
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(CorruptArtefact, match="cannot be read"):
        store.get(name)


@pytest.mark.parametrize("name", ["0" * 64, "../../etc/passwd", ""])
def test_a_name_the_store_does_not_have_is_missing(tmp_path: Path, name: str) -> None:
    with pytest.raises(MissingArtefact):
        ParquetStore(tmp_path).get(name)


def test_a_deleted_part_is_gone(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    name = store.put(part(3))
    store.delete(name)
    store.delete(name)
    assert not store.has(name)


def test_a_folder_that_is_a_file_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreError, match="store"):
        ParquetStore(tmp_path / "store").put(part(3))
