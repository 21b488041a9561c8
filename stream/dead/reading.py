"""The topic of dead letters, or a partition of `events`, read from a place to a place, a record at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from stream import kafka
from stream.dead.letters import OnProgress
from stream.errors import BrokerError

#: Records asked for at a time.
_BLOCK = 500


def records(
    client: Consumer, topic: str, partition: int, begin: int, end: int, on_progress: OnProgress
) -> Iterator[Message]:
    """Those at the offsets [begin, end); assigns the consumer. Raises: BrokerError."""
    if begin >= end:
        return
    client.assign([TopicPartition(topic, partition, begin)])
    deadline = time.monotonic() + kafka.PATIENCE
    while True:
        found = client.consume(_BLOCK, kafka.GLANCE)
        for message in found:
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                kafka.raise_unless_passing(error)
                continue
            if error is None and message.offset() < end:
                on_progress(message.offset() + 1 - begin, end - begin)
                yield message
            if message.offset() >= (end - 1 if error is None else end):
                return
        if found:
            deadline = time.monotonic() + kafka.PATIENCE
        elif time.monotonic() > deadline:
            raise BrokerError(
                f"Kafka gave nothing of partition {partition} of topic {topic} for {kafka.PATIENCE:.0f} s"
            )
