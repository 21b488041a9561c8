"""Parts of a model as bytes and back, as a store would have them."""

from collections.abc import Mapping

import pyarrow as pa


def ipc(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def stored(parts: Mapping[str, pa.Table]) -> dict[str, bytes]:
    return {name: ipc(table) for name, table in parts.items()}


def loaded(parts: Mapping[str, bytes]) -> dict[str, pa.Table]:
    return {name: pa.ipc.open_stream(table).read_all() for name, table in parts.items()}


def through_ipc(parts: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """Written and read."""
    return loaded(stored(parts))
