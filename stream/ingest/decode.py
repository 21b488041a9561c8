"""The value of a foreign record as JSON has it; what cannot be read says why."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from stream.ingest.values import Unmappable

#: A record's value may have this many bytes.
LARGEST_RECORD = 4 * 1024 * 1024


class Decode(Protocol):
    """Makes numbers, texts, lists and dicts of the bytes of a topic's records."""

    def __call__(self, topic: str, value: bytes | None) -> Any:
        """Raises: Unmappable: the bytes are not what they should be."""


def decode_json(topic: str, value: bytes | None) -> Any:  # noqa: ARG001 of Decode
    """JSON. Raises: Unmappable."""
    if not value:
        raise Unmappable("the record is empty")
    if len(value) > LARGEST_RECORD:
        raise Unmappable(f"the record has {len(value)} bytes, at most {LARGEST_RECORD} are read")
    try:
        return msgspec.json.decode(value)
    except UnicodeDecodeError as error:
        raise Unmappable(f"not UTF-8: {error.reason} at byte {error.start}") from None
    except msgspec.DecodeError as error:
        hint = "; is format avro?" if value[0] == 0 else ""
        raise Unmappable(f"not JSON: {error}{hint}") from None
    except RecursionError:
        raise Unmappable("the record is nested too deeply") from None
