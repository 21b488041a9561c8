"""Spans of time and moments as people set and read them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from stream.settings import UNITS

#: Spans of time as people set them, in ms: a proposal is one of these.
TIDY = tuple(
    1000 * one
    for one in (
        1,
        2,
        5,
        10,
        15,
        30,
        60,
        120,
        300,
        600,
        900,
        1800,
        3600,
        7200,
        14400,
        21600,
        43200,
        86400,
        172800,
    )
)


def tidy(ms: float) -> int:
    """The shortest span that people set, and that is no shorter."""
    return next((one for one in TIDY if one >= ms), TIDY[-1])


def said(ms: float) -> str:
    """A span of time as a setting says it."""
    unit, size = next((one for one in reversed(UNITS.items()) if ms >= one[1]), ("ms", 1))
    whole = ms / size
    return f"{whole:.1f}{unit}" if size > 1 and whole != int(whole) else f"{whole:.0f}{unit}"


def iso(ms: int) -> str:
    """The moment, in UTC, to a second."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
