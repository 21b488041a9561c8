"""How many events lie in `events`: counted from the topic itself, to be held against windowing's count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from confluent_kafka import KafkaError, Message, TopicPartition

from stream import kafka
from stream.topics import Topics

#: Records asked for at a time: one after the other they would take five times as long.
_BLOCK = 10_000

#: What the value of a tick begins with, as msgspec and every JSON writer without spaces has it.
_TICK, _END = b'"type":"tick"', b'"end":true'


def produced(broker: Mapping[str, object], topics: Topics) -> int:
    """Records before the last end of each partition, all of them where it has none, ticks not counted.

    Reads the whole topic: about 5 s a million events. Raises: BrokerError.
    """
    client = kafka.consumer(broker, wait=10)
    try:
        places = [
            TopicPartition(topics.events, partition, kafka.offsets(client, topics.events, partition)[0])
            for partition in range(kafka.partitions_of(client, topics.events))
        ]
        client.assign(places)
        counts, open_partitions = Counts(), len(places)
        while open_partitions:
            messages = client.consume(_BLOCK, 1.0)
            open_partitions -= sum(_at_end(message) for message in messages)
            counts.take(message for message in messages if message.error() is None)
        return counts.total
    finally:
        client.close()


class Counts:
    """Takes the records of all partitions, each partition's in order."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self._ended: dict[int, int] = {}

    def take(self, messages: Iterable[Message]) -> None:
        """Some more records."""
        seen = self._seen
        for message in messages:
            partition = message.partition()
            if message.key() is not None or not is_tick(message.value()):
                seen[partition] = seen.get(partition, 0) + 1
            elif _END in message.value():
                self._ended[partition] = seen.get(partition, 0)

    @property
    def total(self) -> int:
        """Events up to each partition's last end, or so far."""
        return sum((self._seen | self._ended).values())


def is_tick(value: bytes | None) -> bool:
    """Whether a record without a key moves the watermark alone, and is no event."""
    return value is not None and _TICK in value


def _at_end(message: Message) -> bool:
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:
        return True
    kafka.raise_unless_passing(error)
    return False
