"""How far an ingest had come, as `events` itself tells: marks in its ticks, and the rows behind them. Pure.

A mark is written to every partition once all before it is acknowledged. It says of each source partition
which record is next; so what a partition of `events` lacks of a source lies at or behind the mark it holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from stream.errors import CorruptRecord
from stream.ingest.mapping import SLATE

#: Topic and partition of a foreign Kafka.
Place = tuple[str, int]


class Mark(msgspec.Struct, frozen=True):
    """All records before these are in `events`, or in the dead letters before their end."""

    places: dict[str, dict[int, int]]  # topic -> partition -> offset of the next record
    dead: int = 0  # end of the dead letters then

    @classmethod
    def of(cls, begins: Mapping[Place, int], dead: int) -> Mark:
        """The mark that says these are next."""
        places: dict[str, dict[int, int]] = {}
        for (topic, partition), offset in begins.items():
            places.setdefault(topic, {})[partition] = offset
        return cls(places, dead)

    def begins(self) -> dict[Place, int]:
        """By source partition the offset of the next record."""
        return {(topic, one): at for topic, ones in self.places.items() for one, at in ones.items()}


@dataclass(frozen=True)
class Tail:
    """What a partition of `events` holds at its end: the last mark, and by source the last row behind it."""

    mark: Mark | None = None
    rows: Mapping[bytes, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Resumed:
    """Where to go on."""

    begins: dict[Place, int]  # the offset from which a source partition is read again
    floors: list[dict[Place, int]]  # by partition of `events`: the last row of a source partition it holds
    dead: int | None  # offset from which dead letters may be missing; None where nothing was ever marked


def resumed(tails: Sequence[Tail], name: str) -> Resumed:
    """Where an ingest of that name goes on, from the tails of all partitions of `events`."""
    marks = [tail.mark.begins() if tail.mark is not None else {} for tail in tails]
    begins: dict[Place, int] = {}
    for mark in marks:
        for place, offset in mark.items():
            begins[place] = min(offset, begins.get(place, offset))
    floors = [
        {
            place: max(mark.get(place, 0) * SLATE - 1, tail.rows.get(source_of(name, place), -1))
            for place in begins
        }
        for mark, tail in zip(marks, tails, strict=True)
    ]
    dead = min((tail.mark.dead for tail in tails if tail.mark is not None), default=None)
    return Resumed(begins, floors, dead)


def source_of(name: str, place: Place) -> bytes:
    """The header `source` of the events made of a source partition."""
    return f"{name}/{place[0]}/{place[1]}".encode()


def decoded(value: bytes) -> Mark:
    """The mark in the header `places`. Raises: CorruptRecord."""
    try:
        return msgspec.json.decode(value, type=Mark)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptRecord(f"a tick of topic events has no mark of an ingest: {error}") from error
