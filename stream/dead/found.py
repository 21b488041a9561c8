"""What `events` and `samples` say to a replay: what one that died has written, and how far windowing is."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import Consumer

from stream import kafka
from stream.close.batches import reached
from stream.dead.letters import REPLAYED, Identity, OnProgress
from stream.dead.reading import records
from stream.dead.verdict import There
from stream.topics import Topics

#: Records of `samples` looked at from its end: more than one where writers of the same partition overlapped.
_TAIL = 8


def written(
    client: Consumer, topics: Topics, begins: Mapping[int, int], on_progress: OnProgress
) -> dict[Identity, There]:
    """By record what replays have written at and behind these offsets of `events`. Raises: BrokerError."""
    found: dict[Identity, There] = {}
    for partition, begin in sorted(begins.items()):
        low, end = kafka.offsets(client, topics.events, partition)
        for message in records(client, topics.events, partition, max(low, begin), end, on_progress):
            if (wanted := kafka.header(message, REPLAYED)) is not None:
                row = int(kafka.header(message, "row") or b"0")
                identity = Identity.of_row(kafka.header(message, "source") or b"", row)
                found.setdefault(identity, There()).add(row, message.value() or b"", int(wanted))
    return found


def watermarks(client: Consumer, topics: Topics) -> list[int]:
    """By partition the event time that windowing has passed, ms; -1 where it has not begun.

    Raises: BrokerError, CorruptRecord.
    """
    passed = []
    for partition in range(kafka.partitions_of(client, topics.samples)):
        low, end = kafka.offsets(client, topics.samples, partition)
        tail = kafka.between(client, topics.samples, partition, max(low, end - _TAIL), end)
        passed.append(max((reached(dict(one.headers() or ())).watermark for one in tail), default=-1))
    return passed
