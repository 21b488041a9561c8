"""The durable store in a folder: a Parquet file per part, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stream.errors import CorruptArtefact, MissingArtefact, StoreError
from stream.store.base import name_of, require_name


class ParquetStore:
    """Parts below `folder`, by the first two digits of their names.

    A part is written beside its place, synced and renamed, so a reader sees it whole or not at all; what
    a killed writer leaves behind has another ending and is never read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, table: pa.Table) -> str:
        """Keep the table durably; its name. Raises: StoreError: it cannot be written."""
        name = name_of(table)
        path = self._path(name)
        if path.exists():
            return name
        fresh = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.writing")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with fresh.open("wb") as file:
                write_part(table, file)
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(path)
            _sync(path.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise StoreError(f"the store cannot write {path}: {error.strerror or error}") from error
        return name

    def get(self, name: str) -> pa.Table:
        """The table of that name.

        Raises: MissingArtefact: there is none; CorruptArtefact: its content is another.
        """
        path = self._path(name)
        if not path.exists():
            raise MissingArtefact(f"the store has no part {name} in {self.folder}")
        return read_part(path, name, str(path))

    def has(self, name: str) -> bool:
        """Whether a part of that name is kept."""
        return self._path(name).exists()

    def delete(self, name: str) -> None:
        """Forget the part; nothing happens where there is none."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self.folder / path_of(name)


def path_of(name: str) -> str:
    """Where a part lies below its store. Raises: MissingArtefact: it can name no part."""
    return f"{require_name(name)[:2]}/{name}.parquet"


def write_part(table: pa.Table, file: object) -> None:
    """The table as Parquet, into a file open for bytes."""
    pq.write_table(
        table,
        file,
        compression="zstd",
        compression_level=1,
        use_dictionary=False,
        use_compliant_nested_type=False,  # lists keep their fields' names, so the hash holds
    )


def read_part(source: object, name: str, where: str) -> pa.Table:
    """The table of a Parquet file, whose content must be what `name` says.

    source: a path or a file; where: what an error calls it. Raises: CorruptArtefact.
    """
    try:
        table = pq.ParquetFile(source).read()
        found = name_of(table)
    except (pa.ArrowException, OSError, ValueError) as error:  # the last: a column's name is no UTF-8
        raise CorruptArtefact(f"{where} cannot be read: {error}") from error
    if found != name:
        raise CorruptArtefact(f"{where} does not hold what its name says; restore or delete it")
    return table


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
