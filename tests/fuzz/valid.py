"""Valid ones of all that is decoded, for the fuzzers to spoil."""

from __future__ import annotations

from typing import Any

import msgspec
import pyarrow as pa

from stream.archive.rows import SCHEMA, samples_of, table_of
from stream.close.batches import Batch, Headers, Reached, messages
from stream.records import (
    Announcement,
    Archived,
    Beginning,
    Checkpoint,
    Drift,
    History,
    Manifest,
    Outlook,
    Score,
    Serve,
    Shadow,
)
from stream.samples import Samples

EVENTS: list[dict[str, Any]] = [
    {
        "type": "impression",
        "impression_id": "p1",
        "user_id": "u1",
        "item_id": 7,
        "categories": ["a", 3],
        "ts": 1,
    },
    {"type": "click", "impression_id": None, "user_id": "u1", "item_id": "i1", "ts": 1_764_000_004_200},
    {"type": "tick", "watermark": 17, "end": True},
]

_PART = "0" * 64
RECORDS: list[msgspec.Struct] = [
    Manifest(
        period=0, parent="", reason="settings", settings={"seed": 0, "period_count": None, "prefix": "a"}
    ),
    Manifest(
        period=1,
        parent="x",
        reason="count",
        cut=(5, "u", "i", "p"),
        count=3,
        positives=1,
        samples={"0": (0, 3)},
        at={"0": (0, 1)},
        counts={"used": 3},
        settings={"seed": None},
    ),
    Manifest(
        period=0,
        parent="",
        reason="history",
        count=3,
        samples={"0": (0, 3)},
        at={"0": (0, 1)},
        settings={"seed": 0},
        begin={"0": Beginning(offset=0, base=_PART, rest=_PART)},
    ),
    Archived(period=1, part=_PART, rows=3),
    Announcement(
        kind="star",
        version=1,
        parts={"user": _PART, "hidden/item": _PART},
        parents={"period/1": "x"},
        score=Score(auc=None, logloss=0.5, rows=3),
        drift=Drift(0.1, 0.2),
        outlook=Outlook(True, None),
        settings={"seed": 1, "trainer": {"shadow": []}},
    ),
    Shadow(name="iu", version=1, parts={}, settings={"a": None}),
    Serve(period=1, kind="ema", version=1, reason="a", held_by=None),
    Checkpoint(partition=0, offset=9, base=_PART, deltas=(_PART,), rest=_PART, settings={"seed": None}),
    History(items=["i1", "i2"], times=[5, 3]),
]


def described(record: Any) -> dict[str, Any]:
    """A record as plain JSON."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(record))
    return plain


def _samples() -> Samples:
    rows = [
        {
            "number": row,
            "decided_at": 5 + row // 2,
            "user_id": f"u{row % 3}",
            "item_id": f"i{row}",
            "impression_id": f"p{row}" if row % 2 else "",
            "categories": ["a", "b"][: row % 3],
            "history": [f"i{one}" for one in range(row)],
            "label": row % 2,
            "row_hash": 2**60 + row,
        }
        for row in range(6)
    ]
    return samples_of(pa.Table.from_pylist(rows, SCHEMA))


SAMPLES = _samples()
ARCHIVED = table_of(SAMPLES)
#: How far a batch's log had been read.
REACHED = Reached(watermark=4, ends=0, offset=8, event_at=5, counts={"used": 6}, busy_ms=3)


def message() -> tuple[bytes, Headers]:
    """A record of `samples`."""
    ((value, headers),) = messages(Batch(0, 0, SAMPLES, REACHED), REACHED)
    return value, headers


def state_log() -> list[bytes]:
    """Events after which a partition's state has something of everything."""
    return [msgspec.json.encode(one) for one in EVENTS]
