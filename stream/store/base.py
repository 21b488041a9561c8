"""The store's contract: Arrow tables by the sha256 of their content, so putting one twice is harmless."""

from __future__ import annotations

import hashlib
import re
from typing import Protocol

import pyarrow as pa

from stream.errors import MissingArtefact

_NAME = re.compile(r"[0-9a-f]{64}")


class Store(Protocol):
    """Holds parts. What a part means is said by whoever announces its name, never by the store."""

    def put(self, table: pa.Table) -> str:
        """Keep the table durably; its name. Raises: StoreError: it cannot be written."""

    def get(self, name: str) -> pa.Table:
        """The table of that name.

        Raises: MissingArtefact: there is none; CorruptArtefact: its content is another; StoreError: it
        cannot be read now.
        """

    def has(self, name: str) -> bool:
        """Whether a part of that name is kept. Raises: StoreError: that cannot be known now."""

    def delete(self, name: str) -> None:
        """Forget the part; nothing happens where there is none. Raises: StoreError: it cannot be done."""


def name_of(table: pa.Table) -> str:
    """sha256 of the table's canonical Arrow IPC stream: schema, then all rows as one batch."""
    digest = hashlib.sha256()
    _write(table, pa.PythonFile(_Digest(digest), mode="w"))
    return digest.hexdigest()


def canonical(table: pa.Table) -> pa.Buffer:
    """The stream that names the table; its sha256 is the name."""
    sink = pa.BufferOutputStream()
    _write(table, sink)
    return sink.getvalue()


def require_name(name: str) -> str:
    """The name itself, safe as a part of a path or key. Raises: MissingArtefact: it can name no part."""
    if not _NAME.fullmatch(name):
        raise MissingArtefact(f"{name!r} is no name of a part: 64 hexadecimal digits are expected")
    return name


def _write(table: pa.Table, sink: pa.NativeFile) -> None:
    with pa.ipc.new_stream(sink, table.schema) as writer:
        for batch in table.combine_chunks().to_batches():
            if len(batch):  # a table of no rows may or may not have a batch
                writer.write_batch(batch)


class _Digest:
    """A file that only hashes what is written to it."""

    closed = False

    def __init__(self, digest: hashlib._Hash) -> None:
        self._digest = digest

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing to close."""
