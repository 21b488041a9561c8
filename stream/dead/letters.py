"""A dead letter as it lies in its topic: bytes, why they could not be used, and where they came from. Pure.

| header             | of letters by | holds                                                             |
|--------------------|---------------|-------------------------------------------------------------------|
| `reason`           | all           | why, in a line                                                    |
| `topic`, `partition`, `offset` | all | where the record lies, or lay                                    |
| `source`           | ingest        | the same as of the events that the record would have made         |
| `at`               | ingest        | Kafka's time of the record, ms; empty where it has none           |
| `key`, `header:…`  | ingest        | the record's own, which a mapping may read                        |
| `written`          | ingest        | digests of the events that were made of it nevertheless           |
| `cut`              | ingest        | how many bytes the record has, where not all of it is in the letter |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from stream.errors import CorruptRecord
from stream.ingest.mapping import SLATE
from stream.ingest.marks import Place, source_of
from stream.ingest.paths import Record

#: Of a record so many bytes are kept, and so many of its key and headers: a topic takes no more in one.
DEAD_BYTES, OTHER_BYTES = 900_000, 40_000

#: The name under which events of windowing's letters are numbered; see `source_of`.
NAME = "dead-letters"

#: The header of events that a replay wrote: how many it was to write of the record. Whoever looks how far an
#: ingest was passes them over: they have its rows, but not its order.
REPLAYED = "replayed"

#: Bytes of a digest.
_DIGEST = 8

_OWN = "header:"

Headers = Sequence[tuple[str, bytes | None]]


class Identity(NamedTuple):
    """The record of which a letter is; letters may be repeated, and are of the same record then."""

    source: bytes
    offset: int

    @classmethod
    def of_row(cls, source: bytes, row: int) -> Identity:
        """That of the letter from which an event with these headers was made."""
        return cls(source, row // SLATE)


@dataclass(frozen=True)
class Letter:
    """One dead letter."""

    number: int  # its offset among the dead letters
    at: int  # ms, when Kafka took the letter
    reason: str
    place: Place  # topic and partition of the record
    offset: int  # of the record
    value: bytes | None
    source: bytes | None = None  # None: windowing wrote the letter
    record: Record = field(default_factory=lambda: Record(None))  # its key, headers and time; no value
    cut: bool = False  # whether value, key or headers are not all there
    written: frozenset[bytes] = frozenset()  # digests of events that were made of it when it was buried

    @property
    def identity(self) -> Identity:
        """Of which record it is."""
        return Identity(self.source or source_of(NAME, self.place), self.offset)


@dataclass(frozen=True)
class Wanted:
    """Which letters are asked for."""

    reason: str = ""  # a part of it
    since: int = 0  # ms, when Kafka took the letter
    until: int | None = None

    def holds(self, one: Letter) -> bool:
        """Whether it is one of those."""
        in_time = self.since <= one.at and (self.until is None or one.at < self.until)
        return in_time and self.reason in one.reason


def headers_of(
    reason: str, place: Place, offset: int, source: bytes, record: Record, written: Sequence[bytes]
) -> tuple[list[tuple[str, bytes]], bool]:
    """The headers of an ingest's letter; whether all that the mapping could read of the record is in them.

    written: the encoded events that were made of the record nevertheless.
    """
    headers = [
        ("reason", reason.encode(errors="replace")),
        ("topic", place[0].encode()),
        ("partition", b"%d" % place[1]),
        ("offset", b"%d" % offset),
        ("source", source),
        ("at", b"" if record.timestamp is None else b"%d" % record.timestamp),
    ]
    if written:
        headers.append(("written", b"".join(map(digest, written))))
    own = [(f"{_OWN}{name}", value) for name, value in record.headers if value is not None]
    if record.key is not None:
        own.append(("key", record.key))
    if sum(len(name) + len(value) for name, value in own) > OTHER_BYTES:
        return headers, False
    return headers + own, True


def letter(number: int, at: int, value: bytes | None, headers: Headers) -> Letter:
    """The letter in a record of the topic. Raises: CorruptRecord: there is none."""
    told = {name: one or b"" for name, one in headers}
    try:
        source, written = told.get("source"), told.get("written", b"")
        return Letter(
            number=number,
            at=at,
            reason=told["reason"].decode(errors="replace"),
            place=(told["topic"].decode(), int(told["partition"])),
            offset=int(told["offset"]),
            value=value,
            source=source,
            record=Record(
                value=None,
                key=told.get("key"),
                headers=[(one.removeprefix(_OWN), it) for one, it in headers if one.startswith(_OWN)],
                timestamp=int(told["at"]) if told.get("at") else None,
            ),
            cut=source is not None and ("cut" in told or "at" not in told),
            written=frozenset(written[one : one + _DIGEST] for one in range(0, len(written), _DIGEST)),
        )
    except (KeyError, ValueError) as error:
        raise CorruptRecord(f"dead letter {number} lacks its headers: {error}") from error


def digest(encoded: bytes) -> bytes:
    """What an event is known by among those of one record."""
    return blake2b(encoded, digest_size=_DIGEST).digest()


def shortened(value: bytes | None, whole: bool) -> tuple[bytes | None, list[tuple[str, bytes]]]:
    """The bytes as a letter holds them, and the header that says that something is missing."""
    size = len(value or b"")
    if whole and size <= DEAD_BYTES:
        return value, []
    return value if value is None else value[:DEAD_BYTES], [("cut", b"%d" % size)]


#: Told of how far something is: done, and of how many.
OnProgress = Callable[[int, int], None]
