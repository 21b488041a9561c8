"""Consecutive records of one partition of `events`, and the events they hold as columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from itertools import chain
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta, Struct

from stream.records import Int

#: Values of `kind`; an impression is taken before a click of the same time. TICK is of all that is no event.
IMPRESSION, CLICK, TICK, UNUSABLE = 0, 1, 2, 3

#: The longest id, in characters, and the most categories an item may come with.
LONGEST_ID, MOST_CATEGORIES = 512, 64

#: What a reason is cut to, in characters: it may quote what somebody sent.
LONGEST_REASON = 300

#: An event may have this many bytes, and, beyond `SMALL` bytes, this many brackets: a decoder that follows
#: deeper nesting fails, and where it fails depends on how deep the stack was already.
LARGEST_EVENT, MOST_BRACKETS, SMALL = 256 * 1024, 200, 400

#: An id: text, or an integer (of 64 bits) that stands for its decimal digits.
Id = Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)] | Int

#: The last ms of the year 9999: events take no later time.
LAST_MS = 253_402_300_799_999

#: Event time in ms.
Ms = Annotated[int, Meta(ge=0, le=LAST_MS)]

Categories = Annotated[tuple[Id, ...], Meta(max_length=MOST_CATEGORIES)]


class Impression(Struct, tag_field="type", tag="impression", frozen=True, gc=False):
    """An item was shown to a user."""

    kind: ClassVar[int] = IMPRESSION
    impression_id: Id
    user_id: Id
    item_id: Id
    ts: Ms
    categories: Categories = ()


class Click(Struct, tag_field="type", tag="click", frozen=True, gc=False):
    """A user took an item, perhaps after an impression of it."""

    kind: ClassVar[int] = CLICK
    user_id: Id
    item_id: Id
    ts: Ms
    impression_id: Id | None = None
    categories: Categories = ()


class Tick(Struct, tag_field="type", tag="tick", frozen=True, omit_defaults=True):
    """Nothing older than the watermark comes any more; with `end`, the stream ends here for now."""

    kind: ClassVar[int] = TICK
    watermark: Ms
    end: bool = False


class Forget(Struct, tag_field="type", tag="forget", frozen=True):
    """Nothing of a user is to be kept: no event, and its place in the log is all that counts."""

    kind: ClassVar[int] = TICK
    user_id: Id


class Unusable(Struct, frozen=True):
    """What stands in the place of a record that is no event."""

    kind: ClassVar[int] = UNUSABLE
    reason: str


Event = Impression | Click | Tick | Forget | Unusable

_decode: Callable[[Any], Event] = msgspec.json.Decoder(Impression | Click | Tick | Forget).decode


@dataclass(frozen=True, eq=False)
class Log:
    """n consecutive records of one partition."""

    values: list[bytes | None]
    offsets: list[int]
    timestamps: list[int]  # ms, Kafka's (LogAppendTime)
    sources: list[bytes | None]  # header `source`; None where the producer does not number its rows
    rows: list[int]  # header `row`, -1 where there is none

    def __len__(self) -> int:
        return len(self.values)

    @classmethod
    def joined(cls, parts: Sequence[Log]) -> Log:
        """The records of all parts, one after the other."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            *(list(chain.from_iterable(getattr(part, one.name) for part in parts)) for one in fields(cls))
        )

    def part(self, start: int, stop: int) -> Log:
        """The records [start, stop)."""
        which = slice(start, stop)
        return Log(
            self.values[which],
            self.offsets[which],
            self.timestamps[which],
            self.sources[which],
            self.rows[which],
        )


def tick(watermark: int, end: bool = False) -> bytes:
    """A tick as it stands in `events`; one below zero says no more than zero, and would be refused."""
    return msgspec.json.encode(Tick(max(0, watermark), end))


def forget(user: str) -> bytes:
    """A user's wish to be forgotten as it stands in `events`, in the partition of the user's events."""
    return msgspec.json.encode(Forget(user))


def decode(values: list[bytes | None]) -> list[Event]:
    """The event in each value, `Unusable` with its reason where there is none.

    One value at a time: joined into one list, two broken values can make a valid one.
    """
    if values and None not in values and max(map(len, values)) <= SMALL:  # type: ignore[arg-type]
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            return list(map(_decode, values))
    return [_decode_one(value) for value in values]


def _decode_one(value: bytes | None) -> Event:
    if not value:
        return Unusable("the record is empty")
    if len(value) > LARGEST_EVENT:
        return Unusable(f"the record has {len(value)} bytes, at most {LARGEST_EVENT} are read")
    if len(value) > SMALL and (brackets := value.count(b"[") + value.count(b"{")) > MOST_BRACKETS:
        return Unusable(f"the record has {brackets} brackets, at most {MOST_BRACKETS} are read")
    try:
        return _decode(value)
    except UnicodeDecodeError as error:
        return Unusable(f"not UTF-8: {error.reason} at byte {error.start}")
    except msgspec.DecodeError as error:
        return Unusable(" ".join(str(error).replace("$.", "").split())[:LONGEST_REASON])
