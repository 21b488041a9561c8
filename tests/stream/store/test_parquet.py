"""The store in a folder: what is its own."""

from pathlib import Path

import pytest
from parts import part

from stream.errors import StoreError
from stream.store import ParquetStore


def test_a_folder_that_is_a_file_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreError, match="store"):
        ParquetStore(tmp_path / "store").put(part(3))


def test_what_a_killed_writer_left_behind_is_no_part(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    name = store.put(part(3))
    whole = tmp_path / name[:2] / f"{name}.parquet"
    whole.rename(whole.with_suffix(".77.writing"))
    assert not store.has(name)
    store.put(part(3))
    assert store.get(name).equals(part(3))
