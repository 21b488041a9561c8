"""The loop at one moment, as Kafka and serving tell of it, and the same for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import msgspec

from asmg import report
from asmg.hearing import Heard
from asmg.stages import Stages
from serving.board import Row
from serving.state import describe
from stream.records import Manifest


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that is shown."""

    at: int  # ms, wall clock
    prefix: str  # of the topics
    stages: Stages
    rows: Sequence[Row]  # closed periods, oldest first
    last: Manifest | None  # of the last of them
    heard: Heard
    trouble: str | None = None  # why Kafka does not tell where windowing is

    @property
    def counts(self) -> dict[str, int]:
        """Events by fate, up to the last closed period."""
        return describe(self.last)[0]

    @property
    def freshness(self) -> list[float]:
        """Seconds from a period's last event to served, of each period of which that is known."""
        return [row.freshness_seconds for row in self.rows if row.freshness_seconds is not None]


def described(seen: Seen) -> dict[str, Any]:
    """As `--json` writes it. `serving.told` is what `GET /state` has, less its periods, moments and swaps."""
    heard, stages, fresh = seen.heard, seen.stages, seen.freshness
    return {
        "prefix": seen.prefix,
        "closed": stages.closed,
        "trained": stages.trained,
        "generated": stages.generated,
        "decided": stages.decided,
        "lag": stages.lag,
        "counts": seen.counts,
        "events_per_second": report.per_second(seen.last) if seen.last else 0.0,
        "freshness_seconds": {
            "last": fresh[-1] if fresh else None,
            "median": round(median(fresh), 3) if fresh else None,
        },
        "compared": report.compared(seen.rows),
        "serving": {
            "address": heard.address,
            "answers": heard.state is not None,
            "trouble": heard.trouble,
            "told": msgspec.to_builtins(heard.state.pulse()) if heard.state else None,
        },
        "kafka_trouble": seen.trouble,
        "periods": msgspec.to_builtins(seen.rows),
    }
