"""How serving is, in one sentence that a person reads first."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Literal

import msgspec

from serving.board import Row
from serving.canary import Canary
from stream.records import Kind, Serve

#: Closed periods that the served model may lie behind before that is a failure.
BEHIND = 2
#: Seconds without an answer of Kafka that are worth a word.
SILENT = 10.0
#: Impressions of each model under a canary below which nothing is said of them.
ENOUGH = 100
#: Last periods over which what serves is compared with Θ.
COMPARED = 3

NAMES: dict[Kind, str] = {"theta": "Θ", "star": "Θ*", "ema": "EMA"}


class Health(msgspec.Struct, frozen=True):
    """red: it does not do its work. amber: it does, with less than the best model. green: all is well."""

    ok: bool  # not red
    level: Literal["green", "amber", "red"]
    sentence: str


class Standing(msgspec.Struct, frozen=True):
    """What answers now."""

    version: int
    kind: Kind
    period: int  # whose word brought it
    since: int  # ms, wall clock
    held: bool = False  # by an operator: no user gets another

    def follows(self, word: Serve) -> bool:
        """Whether this is the model that the word names, for whom it is to be."""
        return (self.kind, self.version, self.held) == (word.kind, word.version, word.held_by is not None)


def health(
    serving: Standing | None,
    word: Serve | None,
    rows: Sequence[Row],
    refused: str | None,
    silent: float = 0.0,
    canary: Canary | None = None,
) -> Health:
    """The sentence.

    word: the one followed now. rows: closed periods, oldest first. refused: why the model it names cannot be
    served, None where it can. silent: seconds since Kafka last answered. canary: how
    both of its models do.
    """
    closed = rows[-1].period if rows else 0
    if serving is None:
        if silent > SILENT:
            return Health(False, "red", f"No model yet: Kafka has not answered for {_seconds(silent)}")
        if refused:
            return Health(False, "red", f"No model yet: {refused}")
        waits = (
            f"period {closed} is closed, its model is being made"
            if closed
            else "waiting for period 1 to close"
        )
        return Health(False, "red", f"No model yet: {waits}")
    parts = [_what(serving, rows)]
    behind = closed - serving.version
    level: Literal["green", "amber", "red"] = "green"
    if silent > SILENT:
        level = "amber"
        parts.append(f"Kafka has not answered for {_seconds(silent)}: nothing newer can come")
    held = word is not None and word.held_by is not None
    if word is not None and refused:
        level = "amber"
        parts.append(f"since {NAMES[word.kind]} of period {word.version} was refused: {refused}")
    if word is not None and held:
        level = "amber"
        parts.append(f"held by {word.held_by}: {word.reason}" if word.reason else f"held by {word.held_by}")
    elif word is not None and word.kind == "theta":
        level = "amber"
        parts.append(f"the gate keeps Θ ({word.reason})")
    elif ahead := _ahead(rows, serving.kind):
        parts.append(ahead)
    if behind > BEHIND and not held:
        level = "red"
        parts.append(f"{behind} periods behind the last one closed, {closed}")
    if canary is not None and (told := _challenged(canary)):
        parts.append(told)
    return Health(level != "red", level, ", ".join(parts))


def _what(serving: Standing, rows: Sequence[Row]) -> str:
    told = f"Serving {NAMES[serving.kind]} of period {serving.version}"
    row = next((one for one in reversed(rows) if one.period == serving.period), None)
    if row is None or row.freshness_seconds is None or row.served is None:
        return told
    if (row.served.kind, row.served.version) != (serving.kind, serving.version):
        return told
    return f"{told}, {_seconds(row.freshness_seconds)} behind the last event"


def _ahead(rows: Sequence[Row], kind: Kind) -> str | None:
    """How the kind that serves compares with Θ over the last periods that both have been scored on."""
    both = [
        (one.theta.logloss, other.logloss)
        for one in rows
        if (other := one.ema if kind == "ema" else one.star)
        and one.theta
        and one.theta.logloss is not None
        and other.logloss is not None
    ][-COMPARED:]
    if not both:
        return None
    theta, served = fmean(one for one, _ in both), fmean(one for _, one in both)
    if theta <= 0:
        return None
    percent = 100 * (theta - served) / theta
    return f"{'ahead of' if percent >= 0 else 'behind'} Θ by {abs(percent):.1f} % LogLoss"


def _challenged(canary: Canary) -> str | None:
    """How the challenger does beside the champion, once enough of what both have shown has its label."""
    champion, challenger = canary.arms
    if champion.logloss is None or challenger.logloss is None:
        return None
    if min(champion.impressions, challenger.impressions) < ENOUGH:
        return None
    apart = challenger.logloss - champion.logloss
    return (
        f"canary: {NAMES[challenger.kind]} for {100 * canary.share:g} % of users, LogLoss {abs(apart):.4f} "
        f"{'worse' if apart > 0 else 'better'} over {challenger.impressions:,} impressions"
    )


def _seconds(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
