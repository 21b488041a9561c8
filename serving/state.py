"""The state of serving as `GET /state` and the page have it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from serving.board import Row
from serving.canary import Canary
from serving.health import Health, Standing, health
from stream.records import Kind, Manifest

#: Fates of events that `counts` names, all of them, also before the first period.
FATES = ("used", "pending", "late", "delayed", "duplicate", "dead", "produced")


class Events(msgspec.Struct, frozen=True):
    """The topic `events`: how many it has been given, and the rate of the last seconds."""

    total: int = 0
    per_second: float = 0.0


class Requests(msgspec.Struct, frozen=True):
    """Requests answered by all processes; rate and percentiles over the last seconds, None without any."""

    total: int = 0
    per_second: float = 0.0
    p50_ms: float | None = None
    p99_ms: float | None = None
    refused: int = 0  # with 429: more waited than could be answered in time


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """One process that answers, and the model it has; version and kind are None before the first."""

    pid: int
    version: int | None = None
    kind: Kind | None = None
    requests: int = 0


class Lag(msgspec.Struct, frozen=True):
    """What each stage has yet to take."""

    window: int = 0  # records of `events`
    train: int = 0  # closed periods without Θ
    generate: int = 0  # closed periods without the gate's word
    serve: int = 0  # words that this serving has not followed yet: 0 or 1
    histories: int = 0  # records of `histories`


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """The second that ended at `at`: what the lines over time are drawn from."""

    at: int  # ms, wall clock
    events_per_second: float = 0.0
    requests_per_second: float = 0.0
    p50_ms: float | None = None
    p99_ms: float | None = None
    lag: Lag = Lag()


class Taken(msgspec.Struct, frozen=True):
    """A model taken into service at `at`, ms on the wall clock: a mark on the lines over time."""

    at: int
    kind: Kind
    version: int


class Pulse(msgspec.Struct, frozen=True, kw_only=True):
    """All of the state but the periods: what changes while no period closes."""

    serving: Standing | None
    health: Health
    counts: dict[str, int]
    busy_seconds: float  # windowing had input waiting
    events: Events
    requests: Requests
    processes: Sequence[Process] = ()
    lag: Lag = Lag()
    now: Moment | None = None  # the last of `moments`
    taken: Taken | None = None  # the last of `swaps`
    canary: Canary | None = None  # None without one, and before a model serves


class State(Pulse, frozen=True, kw_only=True):
    """All of it."""

    periods: Sequence[Row]  # oldest first; of a long run the older ones thinned out
    moments: Sequence[Moment] = ()  # oldest first, the older ones thinned out
    swaps: Sequence[Taken] = ()  # oldest first, as far back as `moments`

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
