"""The newest records of foreign topics, as they lie there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message

from stream import kafka
from stream.errors import BrokerError
from stream.ingest.decode import Decode
from stream.ingest.mapping import Mapped, Mapping
from stream.ingest.paths import MISSING, Record
from stream.ingest.source import record_of
from stream.ingest.values import Unmappable


@dataclass(frozen=True)
class Seen:
    """One record, and what could be made of its value."""

    partition: int
    offset: int
    value: bytes | None
    record: Record  # its value MISSING where it was not decoded
    reason: str = ""  # why it was not

    def mapped(self, mapping: Mapping) -> Mapped:
        """What the mapping makes of it."""
        return Mapped(reason=self.reason) if self.reason else mapping(self.record)


@dataclass(frozen=True)
class Sample:
    """The newest records of a topic, by partition and offset."""

    topic: str
    partitions: int
    records: list[Seen]
    cut: bool  # whether the topic has older ones


def sample(client: Consumer, topic: str, count: int, decode: Decode) -> Sample:
    """About so many records, alike from the end of each partition. Raises: BrokerError."""
    partitions = kafka.partitions_of(client, topic)
    share, wanted, cut = -(-count // partitions), {}, False
    for partition in range(partitions):
        low, end = kafka.offsets(client, topic, partition)
        wanted[partition] = (max(low, end - share), end)
        cut = cut or end - share > low
    found = kafka.spans(client, topic, wanted)
    records = [_seen(message, decode) for partition in sorted(found) for message in found[partition]]
    return Sample(topic, partitions, records, cut)


def raw(topic: str, value: bytes | None) -> Any:  # noqa: ARG001 of Decode
    """A `Decode` that leaves bytes alone."""
    return value


def foreign_topics(client: Consumer, prefix: str) -> list[str]:
    """All topics but Kafka's own and those with our prefix. Raises: BrokerError."""
    try:
        there = client.list_topics(timeout=kafka.ANSWER).topics
    except KafkaException as error:
        raise BrokerError(f"Kafka does not answer: {kafka.said(error.args[0])}; is it running?") from error
    return sorted(
        name for name in there if not name.startswith("_") and not (prefix and name.startswith(prefix))
    )


def _seen(message: Message, decode: Decode) -> Seen:
    value, reason = MISSING, ""
    try:
        value = decode(message.topic(), message.value())
    except Unmappable as problem:
        reason = str(problem)
    return Seen(message.partition(), message.offset(), message.value(), record_of(message, value), reason)
