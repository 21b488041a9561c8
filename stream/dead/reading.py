"""The topic of dead letters, or a partition of `events`, read from a place to a place, a record at a time."""

from __future__ import annotations

from collections.abc import Iterator

from confluent_kafka import Consumer, Message

from stream import kafka
from stream.dead.letters import Letter, OnProgress, letter


def records(
    client: Consumer, topic: str, partition: int, begin: int, end: int, on_progress: OnProgress
) -> Iterator[Message]:
    """Those at the offsets [begin, end); assigns the consumer. Raises: BrokerError."""
    for message in kafka.each(client, topic, {partition: (begin, end)}):
        on_progress(message.offset() + 1 - begin, end - begin)
        yield message


def letter_in(message: Message) -> Letter:
    """The letter in a record of the topic. Raises: CorruptRecord: there is none."""
    return letter(message.offset(), message.timestamp()[1], message.value(), message.headers() or ())
