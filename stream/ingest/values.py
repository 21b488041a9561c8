"""What is found in a foreign record as an id, a time or categories of ours, or why it is none."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from stream.ingest.paths import MISSING
from stream.window.log import LAST_MS, LONGEST_ID, MOST_CATEGORIES

#: How many of a unit a millisecond has, or the other way round.
_PER_MS = {"us": 1_000, "ns": 1_000_000}

#: A value is quoted in a reason up to so many characters.
_QUOTED = 40

#: Whole numbers beyond this are no longer told apart by a float.
_EXACT = 2**53

#: A float of seconds is off by less than this, in ms: one that should be a whole ms is not the one before.
_FLOAT = 1e-3

#: Of a longer number, in bits, Python writes no digits; an id has fewer in any case.
_LONGEST = 3 * LONGEST_ID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Unmappable(Exception):
    """A record that no event can be made of; its text says why."""


def as_id(found: Any) -> str:
    """An id: text, or the digits of a whole number. Raises: Unmappable."""
    if found.__class__ is str:
        text = found
    elif found.__class__ is int and found.bit_length() <= _LONGEST:
        text = str(found)
    else:
        text = _id_of_other(found)
    if not text:
        raise Unmappable("is empty")
    if len(text) > LONGEST_ID:
        raise Unmappable(f"has {len(text)} characters, at most {LONGEST_ID} are taken")
    return str(text)


def as_text(found: Any) -> str | None:
    """What tells a kind: text, a number's digits, true or false; None for null. Raises: Unmappable."""
    if found is None:
        return None
    if isinstance(found, bool):
        return "true" if found else "false"
    return as_id(found)


def as_categories(found: Any, separator: str) -> tuple[str, ...]:
    """Ids in a list, or in one text between separators; nothing found is no category. Raises: Unmappable.

    Of more than an event may have, the first are taken.
    """
    if found is MISSING or found is None:
        return ()
    if isinstance(found, str):
        found = [part for one in found.split(separator) if (part := one.strip())]
    elif not isinstance(found, list | tuple | set):
        found = [found]
    return tuple(as_id(one) for one in list(found)[:MOST_CATEGORIES] if one is not None and one != "")


def time_reader(unit: str) -> Callable[[Any], int]:
    """What reads a time of that unit (s, ms, us, ns or iso) as ms since 1970, and raises Unmappable."""
    if unit == "iso":
        return lambda found: _in_range(_iso(found), found, unit)
    if unit == "ms":

        def milliseconds(found: Any) -> int:
            if found.__class__ is int and 0 <= found <= LAST_MS:
                return found
            return _in_range(_numeric(found, unit), found, unit)

        return milliseconds
    return lambda found: _in_range(_numeric(found, unit), found, unit)


def quoted(found: Any) -> str:
    """What was found, shortened, for a reason to name."""
    text = repr(found)
    return text if len(text) <= _QUOTED else f"{text[: _QUOTED - 1]}…"


def _id_of_other(found: Any) -> str:
    if found is MISSING:
        raise Unmappable("is missing")
    if found is None:
        raise Unmappable("is null")
    if isinstance(found, Enum):
        return as_id(found.value)
    if isinstance(found, UUID | str):
        return str(found)
    if isinstance(found, float | Decimal) and -_EXACT < found < _EXACT and int(found) == found:
        return str(int(found))  # of a column with gaps, which some writers make floats
    if isinstance(found, bytes):
        try:
            return found.decode()
        except UnicodeDecodeError:
            raise Unmappable("is neither text nor a whole number, but bytes") from None
    raise Unmappable(f"is {quoted(found)}, a text or a whole number is expected")


def _numeric(found: Any, unit: str) -> int:
    number: Any = found
    if isinstance(found, datetime):
        return _since_epoch(found)
    if isinstance(found, str):
        number = _number(found)
    if isinstance(number, bool) or not isinstance(number, int | float | Decimal):
        raise Unmappable(_no_time(found, unit))
    if not isinstance(number, int) and not math.isfinite(number):
        raise Unmappable(_no_time(found, unit))
    return _scaled(number, unit)


def _number(text: str) -> int | float:
    """What the text says; not a number where it says none."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return math.nan


def _scaled(number: int | float | Decimal, unit: str) -> int:
    if unit == "s":
        return number * 1000 if isinstance(number, int) else math.floor(float(number) * 1000 + _FLOAT)
    return math.floor(number) // _PER_MS.get(unit, 1)


def _iso(found: Any) -> int:
    if isinstance(found, datetime):
        return _since_epoch(found)
    try:
        return _since_epoch(datetime.fromisoformat(found.strip()))
    except (ValueError, AttributeError, OverflowError):
        raise Unmappable(_no_time(found, "iso")) from None


def _since_epoch(moment: datetime) -> int:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    passed = aware - _EPOCH
    return passed.days * 86_400_000 + passed.seconds * 1000 + passed.microseconds // 1000


def _in_range(ms: int, found: Any, unit: str) -> int:
    if 0 <= ms <= LAST_MS:
        return ms
    raise Unmappable(f"is {quoted(found)}, as {unit} before 1970 or after the year 9999: is time_unit right?")


def _no_time(found: Any, unit: str) -> str:
    if found is MISSING:
        return "is missing"
    if found is None:
        return "is null"
    expected = "a text like 2026-01-31T12:00:00Z" if unit == "iso" else f"a number ({unit} since 1970)"
    return f"is {quoted(found)}, {expected} is expected"
