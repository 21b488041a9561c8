"""Which paths the records of a sample have, and what lies there. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from stream.ingest.paths import MISSING, path_of, text
from stream.ingest.sample import Seen

#: How deep, how many paths and how many values of each are looked at.
_DEEP, _MOST, _VALUES = 5, 400, 20_000

#: A field is what so many of its values are: some may be broken.
_MOSTLY = 0.8

#: Between these, in ms, a number is taken for a time: the years 2001 to 2100.
_FIRST, _LAST = 978_307_200_000, 4_102_444_800_000

#: Units of time and how many ms one of them is.
UNITS = {"s": 1000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}


@dataclass
class Field:
    """What a path holds over all records."""

    names: tuple[str, ...]
    path: str
    values: list[Any] = field(default_factory=list)  # of the records that have it
    distinct: set[Any] = field(default_factory=set)

    @property
    def name(self) -> str:
        """Its names as one, in small letters without signs."""
        return plain("".join(self.names))

    @property
    def last(self) -> str:
        """The last of its names, alike."""
        return plain(self.names[-1]) if self.names else ""

    def share(self, holds: Callable[[Any], bool]) -> float:
        """Of its values that are not null, how many the condition holds for."""
        values = [one for one in self.values if one is not None]
        return sum(map(holds, values)) / len(values) if values else 0.0

    @property
    def is_ids(self) -> bool:
        """Whether it holds what may be ids."""
        return self.share(is_id) > _MOSTLY


def fields(records: Sequence[Seen]) -> dict[str, Field]:
    """By path what JSON holds, then headers and key; lists are not gone into."""
    found: dict[str, Field] = {}
    for seen in records:
        if seen.reason:
            continue
        for names, value in walk(seen.record.value):
            _add(found, names, path_of(names), value)
        for name, header in seen.record.headers:
            _add(found, (name,), f"header:{name}", text(header))
        if seen.record.key is not None:
            _add(found, ("key",), "key", text(seen.record.key))
    return found


def within(lists: Sequence[Sequence[Any]]) -> dict[str, Field]:
    """By path what the elements of lists hold."""
    found: dict[str, Field] = {}
    for one in lists:
        for element in one:
            for names, value in walk(element):
                _add(found, names, path_of(names), value)
    return found


def walk(value: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every (names, value) that is no object."""
    if isinstance(value, dict):
        if len(names) < _DEEP:
            for name, one in value.items():
                yield from walk(one, (*names, str(name)))
    elif value is not MISSING:
        yield names, value


def plain(name: str) -> str:
    """Letters and digits alone, small."""
    return "".join(filter(str.isalnum, name)).lower()


def is_id(value: Any) -> bool:
    """Whether it may be an id."""
    if isinstance(value, str):
        return 0 < len(value) <= 512
    return isinstance(value, int) and not isinstance(value, bool)


def unit_of(one: Field) -> str | None:
    """The unit under which its values are times of this century; None where they are under none."""
    if one.share(_is_iso) > _MOSTLY:
        return "iso"
    for unit, size in UNITS.items():
        if one.share(partial(_is_time, size=size)) > _MOSTLY:
            return unit
    return None


def _is_iso(value: Any) -> bool:
    if isinstance(value, datetime):
        return True
    if not isinstance(value, str) or len(value) < 8 or value.isdecimal():
        return False
    try:
        datetime.fromisoformat(value.strip())
    except ValueError:
        return False
    return True


def _is_time(value: Any, size: float) -> bool:
    try:
        number = float(value) * size if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        return False
    return _FIRST <= number <= _LAST and not isinstance(value, bool)


def _add(found: dict[str, Field], names: tuple[str, ...], path: str, value: Any) -> None:
    one = found.get(path)
    if one is None:
        if len(found) >= _MOST:
            return
        one = found[path] = Field(names, path)
    if len(one.values) < _VALUES:
        one.values.append(value)
        if isinstance(value, str | int | float):
            one.distinct.add(str(value))
