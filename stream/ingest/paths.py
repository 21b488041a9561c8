"""Where in a record a field is: `user.id`, `results.0.sku`, `header:NAME`, `key:PATH`, `kafka:timestamp`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

#: What a path finds where there is nothing.
MISSING: Final = msgspec.UNSET

#: The path of an element of a list itself.
ITSELF = "."


class Record(NamedTuple):
    """One record of a foreign topic, its value decoded."""

    value: Any
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()
    timestamp: int | None = None  # ms, Kafka's


Find = Callable[[Record], Any]


def finder(path: str) -> Find:
    """What finds the path in a record; it gives MISSING where there is nothing."""
    kind, colon, rest = path.partition(":")
    if path == "kafka:timestamp":
        return lambda record: MISSING if record.timestamp is None else record.timestamp
    if colon and kind == "header":
        return lambda record: _header(record, rest)
    if path == "key":
        return lambda record: MISSING if record.key is None else text(record.key)
    if colon and kind == "key":
        within = inner(rest)
        return lambda record: within(_json(record.key))
    within = inner(path)
    return lambda record: within(record.value)


def inner(path: str) -> Callable[[Any], Any]:
    """What finds a path of names in a decoded value."""
    names = names_of(path)
    if not names:
        return lambda value: value
    if len(names) == 1:
        (name,) = names
        return lambda value: value.get(name, MISSING) if value.__class__ is dict else _step(value, name)

    def find(value: Any) -> Any:
        for name in names:
            value = value.get(name, MISSING) if value.__class__ is dict else _step(value, name)
        return value

    return find


def names_of(path: str) -> list[str]:
    """The names between the dots of a path; none where the path means the value itself."""
    if path == ITSELF:
        return []
    return [name.replace(r"\.", ".") for name in re.split(r"(?<!\\)\.", path)]


def text(value: bytes | None) -> Any:
    """A header or a key as text; bytes that are none stay bytes."""
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return value


def path_of(names: Sequence[str]) -> str:
    """The path with these names between its dots: what `names_of` takes apart again."""
    return ".".join(name.replace(".", r"\.") for name in names) or ITSELF


def _step(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return value.get(name, MISSING)
    if isinstance(value, list | tuple) and name.isdecimal() and int(name) < len(value):
        return value[int(name)]
    return MISSING


def _header(record: Record, name: str) -> Any:
    found: Any = MISSING  # of several of one name the last counts
    for one, value in record.headers:
        if one == name:
            found = text(value)
    return found


def _json(value: bytes | None) -> Any:
    try:
        return MISSING if value is None else msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return MISSING
