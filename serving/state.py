"""The state of serving as `GET /state` and the page have it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from serving.board import Row
from serving.health import Health, Standing, health
from stream.records import Manifest

#: Fates of events that `counts` names, all of them, also before the first period.
FATES = ("used", "pending", "late", "delayed", "duplicate", "dead", "produced")

#: Requests over which the percentiles of latency are taken.
REMEMBERED = 2048

#: Periods that the state lists at most, the last ones.
LISTED = 500


class Events(msgspec.Struct, frozen=True):
    """The topic `events`: how many it has been given, and the rate of the last seconds."""

    total: int = 0
    per_second: float = 0.0


class Requests(msgspec.Struct, frozen=True):
    """Rankings answered; percentiles over the last `REMEMBERED`, None before the first."""

    total: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None


class Pulse(msgspec.Struct, frozen=True, kw_only=True):
    """All of the state but the periods: what changes while no period closes."""

    serving: Standing | None
    health: Health
    counts: dict[str, int]
    busy_seconds: float  # windowing had input waiting
    events: Events
    requests: Requests


class State(Pulse, frozen=True, kw_only=True):
    """All of it."""

    periods: Sequence[Row]  # the last `LISTED`, oldest first

    def pulse(self) -> Pulse:
        """The state less its periods."""
        return Pulse(**{name: getattr(self, name) for name in Pulse.__struct_fields__})


def describe(manifest: Manifest | None) -> tuple[dict[str, int], float]:
    """Counts of events by fate, and seconds of windowing, up to the last closed period."""
    zeros = dict.fromkeys(FATES, 0)
    return (zeros | manifest.counts, manifest.busy_seconds) if manifest else (zeros, 0.0)


#: Before anything is known.
NOTHING = State(
    serving=None,
    health=health(None, None, [], None),
    counts=describe(None)[0],
    busy_seconds=0.0,
    events=Events(),
    requests=Requests(),
    periods=[],
)


class Latencies:
    """Times of the last rankings. Added to by one thread, summed up by another."""

    def __init__(self) -> None:
        self.total = 0
        self._seconds = np.zeros(REMEMBERED)

    def add(self, seconds: float) -> None:
        """Book one ranking."""
        self._seconds[self.total % REMEMBERED] = seconds
        self.total += 1

    def summary(self) -> Requests:
        """How many, and how fast the last ones were."""
        total = self.total
        if total == 0:
            return Requests()
        p50, p99 = np.percentile(self._seconds[: min(total, REMEMBERED)], [50, 99]) * 1000
        return Requests(total, round(float(p50), 3), round(float(p99), 3))
