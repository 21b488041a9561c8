"""How far windowing has come in each partition, as the newest record of `samples` tells, and in all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, Message

from stream import kafka
from stream.errors import CorruptRecord
from stream.records import Manifest
from stream.topics import Topics

#: Records of `samples` looked at from its end: more than one where writers of the same partition overlapped.
_TAIL = 8


@dataclass(frozen=True)
class Position:
    """One partition: what of `events` is in `samples`."""

    offset: int = 0  # of `events`, the next to be windowed
    samples: int = 0  # made so far
    ends: int = 0  # end ticks met so far
    waiting: int = 0  # records of `events` at and behind `offset`


def positions(client: Consumer, topics: Topics) -> dict[int, Position]:
    """By partition where windowing is. Raises: BrokerError, CorruptRecord."""
    return {
        partition: _position(client, topics, partition)
        for partition in range(kafka.partitions_of(client, topics.samples))
    }


def samples_made(found: Mapping[int, Position]) -> int:
    """Samples in all partitions."""
    return sum(position.samples for position in found.values())


def all_closed(found: Mapping[int, Position], manifests: Sequence[Manifest]) -> bool:
    """Whether the stream has ended in every partition, and every sample is in a period.

    Where the last period happens to be full at the end, none is closed for the reason `end`.
    """
    if not all(position.ends for position in found.values()) or not manifests:
        return False
    closed = sum(manifest.count for manifest in manifests)
    return manifests[-1].reason == "end" or (closed > 0 and closed == samples_made(found))


def _position(client: Consumer, topics: Topics, partition: int) -> Position:
    low, end = kafka.offsets(client, topics.samples, partition)
    first, newest = kafka.offsets(client, topics.events, partition)
    told = [
        _told(message)
        for message in kafka.between(client, topics.samples, partition, max(low, end - _TAIL), end)
    ]
    if not told:
        return Position(offset=first, waiting=newest - first)
    offset, samples, ends = max(told)
    return Position(offset, samples, ends, max(0, newest - offset))


def _told(message: Message) -> tuple[int, int, int]:
    """Next offset of `events`, samples so far, end ticks so far."""
    try:
        number = {
            name: int(kafka.header(message, name) or b"") for name in ("offset", "first", "rows", "ends")
        }
    except ValueError as error:
        raise CorruptRecord(f"a record of topic {message.topic()} lacks its headers: {error}") from error
    return number["offset"], number["first"] + number["rows"], number["ends"]
