"""What each period came to, as rows: scores, what serves, and what each stage took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from stream.records import Announcement, Drift, Kind, Manifest, Shadow
from trainer.announced import Announced


class Swap(msgspec.Struct, frozen=True):
    """A model taken into service in this process at the gate's word on a period."""

    period: int
    kind: Kind
    version: int
    swapped_at: int  # ms, wall clock
    seconds: float  # loading, verifying, warming and switching
    awaited: bool = True  # False: the word was there when this process began, so its age says nothing


class Measure(msgspec.Struct, frozen=True):
    """How the model of the period before did on this period's samples; None where it was not finite."""

    auc: float | None
    logloss: float | None


class Served(msgspec.Struct, frozen=True):
    """Which model a period was followed by."""

    version: int
    kind: Kind


class Seconds(msgspec.Struct, frozen=True):
    """What each stage of a period took, in seconds; None where it has not happened, or not here."""

    close: float | None = None  # last event to closed
    train: float | None = None
    generate: float | None = None
    swap: float | None = None
    close_to_served: float | None = None


class Unused(msgspec.Struct, frozen=True):
    """Events that made no sample, of those that windowing met since the period before closed.

    Counts go with how far each partition had been read, so an event counts for the period that was open then;
    over all periods they add up to the last manifest's.
    """

    late: int = 0  # older than the watermark at their place
    delayed: int = 0  # clicks after the attribution window
    duplicate: int = 0
    dead: int = 0  # in dead-letters, with their reason


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One closed period. Times are ms on the wall clock, None where the stage is not over."""

    period: int
    samples: int
    reason: str
    unused: Unused = Unused()
    opened_at: int
    closed_at: int
    trained_at: int | None
    generated_at: int | None
    served_at: int | None
    theta: Measure | None
    star: Measure | None
    ema: Measure | None = None
    shadows: dict[str, Measure]  # by name, those that have a score
    served: Served | None  # what this process took into service
    word: Served | None  # what the gate said to serve
    gate: str | None  # and why
    seconds: Seconds
    freshness_seconds: float | None  # last event to served
    drift: Drift | None = None  # of items' popularity from the period before; None where not told


def rows(announced: Announced, swaps: Mapping[int, Swap]) -> list[Row]:
    """A row per closed period, oldest first. swaps: by period, empty for somebody who serves nothing."""
    closed = [one for one in announced.manifests if one.period > 0]
    shadows = list(dict.fromkeys(name for name, _ in announced.shadows))
    return [
        _row(announced, one, unused, swaps.get(one.period), shadows)
        for one, unused in zip(closed, _unused(closed), strict=True)
    ]


def _unused(closed: Sequence[Manifest]) -> Iterator[Unused]:
    """Of each period. What was counted once is not counted again, though a closer that starts again may have
    read less of a partition than the one before it had."""
    names = Unused.__struct_fields__
    most = dict.fromkeys(names, 0)
    for manifest in closed:
        now = {name: max(most[name], manifest.counts.get(name, 0)) for name in names}
        yield Unused(**{name: now[name] - most[name] for name in names})
        most = now


def _row(
    announced: Announced, manifest: Manifest, unused: Unused, swap: Swap | None, shadows: Sequence[str]
) -> Row:
    period = manifest.period
    theta, star = announced.model("theta", period), announced.model("star", period)
    word = announced.gate.get(period)
    awaited = swap if swap is not None and swap.awaited else None
    return Row(
        period=period,
        samples=manifest.count,
        reason=manifest.reason,
        unused=unused,
        opened_at=manifest.opened_at,
        closed_at=manifest.closed_at,
        trained_at=theta.announced_at if theta else None,
        generated_at=star.announced_at if star else None,
        served_at=awaited.swapped_at if awaited else None,
        theta=_measure(theta),
        star=_measure(star),
        ema=_measure(announced.model("ema", period)),
        shadows={
            name: measure for name in shadows if (measure := _measure(announced.shadows.get((name, period))))
        },
        served=Served(swap.version, swap.kind) if swap else None,
        word=Served(word.version, word.kind) if word else None,
        gate=word.reason if word else None,
        seconds=Seconds(
            close=_between(manifest.last_event_at, manifest.closed_at),
            train=_sum(theta, "train", "write"),
            generate=_sum(star, "generate", "sweep", "write"),
            swap=round(swap.seconds, 4) if swap else None,
            close_to_served=_between(manifest.closed_at, awaited.swapped_at) if awaited else None,
        ),
        freshness_seconds=_between(manifest.last_event_at, awaited.swapped_at) if awaited else None,
        drift=theta.drift if theta else None,
    )


def _measure(model: Announcement | Shadow | None) -> Measure | None:
    if model is None or model.score is None:
        return None
    return Measure(model.score.auc, model.score.logloss)


def _sum(model: Announcement | None, *stages: str) -> float | None:
    return round(sum(model.seconds.get(stage, 0.0) for stage in stages), 4) if model else None


def _between(begin: int, end: int) -> float | None:
    """Seconds from one moment in ms to another; None where the first was not recorded."""
    return (end - begin) / 1000 if begin else None
