"""Which trace a period is: the same wherever its manifest is read."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from stream.records import Manifest


class Ids(NamedTuple):
    """Of a period's trace; neither is ever 0, which OpenTelemetry takes for none."""

    trace: int  # 128 bits
    span: int  # 64 bits: of the span of the period itself, below which all others lie


def ids_of(manifest: Manifest) -> Ids:
    """By the manifest's hash and when it was written: the same data closed again is another trace."""
    digest = hashlib.sha256(f"{manifest.hash()}/{manifest.closed_at}".encode()).digest()
    return Ids(int.from_bytes(digest[:16]) or 1, int.from_bytes(digest[16:24]) or 1)
