"""What `events` and the dead letters hold of an ingest already: read backwards, to its last mark."""

from __future__ import annotations

from confluent_kafka import Consumer

from stream import kafka
from stream.dead.letters import REPLAYED
from stream.ingest.marks import Mark, Place, Tail, decoded, source_of
from stream.topics import Topics

#: The first look at the end of a partition is this many records; each further one four times as many, at most
#: so many.
_TAIL, _MOST = 64, 65_536


def tails(client: Consumer, topics: Topics, name: str) -> list[Tail]:
    """The tail of each partition of `events`. Raises: BrokerError, CorruptRecord."""
    count = kafka.partitions_of(client, topics.events)
    return [_tail(client, topics.events, partition, name.encode()) for partition in range(count)]


def dead_held(
    client: Consumer, topics: Topics, name: str, begin: int, places: set[Place]
) -> dict[Place, int]:
    """By source partition the last record that is among the dead letters from that offset on."""
    wanted = {source_of(name, place): place for place in places}
    held: dict[Place, int] = {}
    low, end = kafka.offsets(client, topics.dead_letters, 0)
    for first in range(max(begin, low), end, _MOST):
        last = min(first + _MOST, end)
        for message in kafka.between(client, topics.dead_letters, 0, first, last):
            place = wanted.get(kafka.header(message, "source") or b"")
            if place is not None:
                held[place] = int(kafka.header(message, "offset") or b"-1")
    return held


def _tail(client: Consumer, topic: str, partition: int, name: bytes) -> Tail:
    low, end = kafka.offsets(client, topic, partition)
    block, rows = _TAIL, dict[bytes, int]()
    while end > low:
        begin = max(low, end - block)
        mark: Mark | None = None
        fresh: dict[bytes, int] = {}
        for message in kafka.between(client, topic, partition, begin, end):
            source = kafka.header(message, "source") or b""
            if source == name and (places := kafka.header(message, "places")) is not None:
                mark, fresh = decoded(places), {}
            elif source.startswith(name + b"/") and kafka.header(message, REPLAYED) is None:
                row = int(kafka.header(message, "row") or b"-1")
                fresh[source] = max(row, fresh.get(source, -1))
        rows = {one: max(rows.get(one, -1), fresh.get(one, -1)) for one in rows | fresh}
        if mark is not None:
            return Tail(mark, rows)
        end, block = begin, min(block * 4, _MOST)
    return Tail(None, rows)
