"""The durable store in a bucket, s3:// or gs:// through pyarrow.fs: a Parquet object per part."""

from __future__ import annotations

import contextlib

import pyarrow as pa
from pyarrow import fs

from stream.errors import MissingArtefact, StoreError
from stream.store.base import name_of
from stream.store.parquet import path_of, read_part, write_part


class ObjectStore:
    """Parts below `place` of an object store, by the first two digits of their names.

    An object appears whole once its upload is complete, so nothing is written beside and renamed. A part is
    encoded before its upload begins: what fails then leaves at most an upload that was never completed.
    """

    def __init__(self, files: fs.FileSystem, place: str, scheme: str) -> None:
        """place: BUCKET/PREFIX; scheme: what an error puts before it."""
        self._files, self._place, self._scheme = files, place.rstrip("/"), scheme

    def put(self, table: pa.Table) -> str:
        """Keep the table durably; its name. Raises: StoreError: it cannot be written."""
        name = name_of(table)
        if self.has(name):
            return name
        encoded = pa.BufferOutputStream()
        write_part(table, encoded)
        path = self._path(name)
        try:
            with self._files.open_output_stream(path) as upload:
                upload.write(encoded.getvalue())
        except (pa.ArrowException, OSError) as error:
            raise self._failed("write", path, error) from error
        return name

    def get(self, name: str) -> pa.Table:
        """The table of that name.

        Raises: MissingArtefact: there is none; CorruptArtefact: its content is another; StoreError: it
        cannot be read now.
        """
        path = self._path(name)
        try:
            with self._files.open_input_stream(path) as download:
                encoded = download.read()
        except FileNotFoundError as error:
            raise MissingArtefact(f"the store has no part {name} in {self._shown(self._place)}") from error
        except (pa.ArrowException, OSError) as error:
            raise self._failed("read", path, error) from error
        return read_part(pa.BufferReader(encoded), name, self._shown(path))

    def has(self, name: str) -> bool:
        """Whether a part of that name is kept. Raises: StoreError: that cannot be known now."""
        path = self._path(name)
        try:
            return bool(self._files.get_file_info(path).type == fs.FileType.File)
        except (pa.ArrowException, OSError) as error:
            raise self._failed("read", path, error) from error

    def delete(self, name: str) -> None:
        """Forget the part; nothing happens where there is none. Raises: StoreError: it cannot be done."""
        path = self._path(name)
        try:
            with contextlib.suppress(FileNotFoundError):
                self._files.delete_file(path)
        except (pa.ArrowException, OSError) as error:
            raise self._failed("delete", path, error) from error

    def _path(self, name: str) -> str:
        return f"{self._place}/{path_of(name)}"

    def _shown(self, path: str) -> str:
        return f"{self._scheme}://{path}"

    def _failed(self, did: str, path: str, error: Exception) -> StoreError:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        return StoreError(f"the store cannot {did} {self._shown(path)}: {said}")
