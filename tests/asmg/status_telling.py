"""What serving tells of the loop of `announced`, made up, as `GET /state` has it."""

from __future__ import annotations

from typing import Any

import msgspec

from serving.board import Row

#: The moment of the telling, ms: two seconds after the last swap.
AT = 43_000
SENTENCE = "Serving Θ* of period 4, 1.2 s behind the last event"


def telling(rows: list[Row], **other: Any) -> dict[str, Any]:
    """All of it; `other` is what differs."""
    lag = {"window": 1_234, "train": 0, "generate": 1, "serve": 0, "histories": 56}
    moments = [
        {
            "at": AT - 1_000 * ago,
            "events_per_second": 900.0,
            "requests_per_second": 300.0,
            "p50_ms": 2.0,
            "p99_ms": 9.0 - ago,
            "lag": lag,
        }
        for ago in range(3, -1, -1)
    ]
    taken = {"at": AT - 2_000, "kind": "star", "version": 4}
    return {
        "serving": {"version": 4, "kind": "star", "period": 4, "since": AT - 2_000, "held": False},
        "health": {"ok": True, "level": "green", "sentence": SENTENCE},
        "counts": {
            "used": 90,
            "pending": 0,
            "late": 5,
            "delayed": 2,
            "duplicate": 2,
            "dead": 1,
            "produced": 100,
        },
        "busy_seconds": 2.0,
        "events": {"total": 123_456, "per_second": 900.0},
        "requests": {"total": 51_204, "per_second": 312.0, "p50_ms": 2.04, "p99_ms": 8.5, "refused": 3},
        "processes": [
            {"pid": 4711, "version": 4, "kind": "star", "requests": 26_010},
            {"pid": 4712, "version": 3, "kind": "theta", "requests": 25_194},
        ],
        "lag": lag,
        "now": moments[-1],
        "taken": taken,
        "canary": None,
        "periods": msgspec.to_builtins(rows),
        "moments": moments,
        "swaps": [taken],
        **other,
    }
