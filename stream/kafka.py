"""What a replay asks of Kafka: how a topic is cut, where a partition ends and what lies there."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from stream.errors import BrokerError

#: How long an answer to a question about topics and offsets may take, in seconds.
ANSWER = 15.0

#: How long a wait lasts before its condition is looked at again, in seconds.
GLANCE = 0.05

#: What a broker says of a topic that was made a moment ago, or whose leader is moving.
_SETTLING = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
)

#: Errors of a connection that librdkafka mends by itself.
_PASSING = (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE, KafkaError._TIMED_OUT)

Answer = TypeVar("Answer")


def consumer(kafka: Mapping[str, object], wait: int) -> Consumer:
    """A consumer that is told where to begin and commits nothing.

    A fetch that finds nothing takes `wait` ms, and an assignment waits for the fetch before it.
    """
    return Consumer(
        {
            **kafka,
            "group.id": "asmg-replay",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": wait,
            "log_level": 2,
        }
    )


def partitions(client: Consumer, topic: str) -> int:
    """How many partitions the topic has. Raises: BrokerError: no answer, or no such topic."""

    def ask() -> int:
        found = client.list_topics(topic, timeout=ANSWER).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        return len(found.partitions)

    return _answer(client, topic, ask)


def offsets(client: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """The first offset of a partition, and the one after its last. Raises: BrokerError."""
    place = TopicPartition(topic, partition)
    low, high = _answer(client, topic, lambda: client.get_watermark_offsets(place, timeout=ANSWER))
    return int(low), int(high)


def between(client: Consumer, topic: str, partition: int, begin: int, end: int) -> list[Message]:
    """The records at the offsets [begin, end) of a partition; assigns the consumer to it.

    Raises: BrokerError: Kafka refuses, or gives nothing for too long.
    """
    found: list[Message] = []
    if begin == end:
        return found
    client.assign([TopicPartition(topic, partition, begin)])
    deadline = time.monotonic() + ANSWER
    while time.monotonic() < deadline:
        for message in client.consume(1000, GLANCE):
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise_unless_passing(error)
            elif error is not None or message.offset() >= end:
                return found
            else:
                found.append(message)
                deadline = time.monotonic() + ANSWER
                if message.offset() == end - 1:
                    return found
    raise BrokerError(f"Kafka gave nothing of topic {topic}, partition {partition}, for {ANSWER:.0f} s")


def header(message: Message, name: str) -> bytes | None:
    """The header of that name, or None."""
    for found, value in message.headers() or ():
        if found == name:
            return bytes(value)
    return None


def raise_unless_passing(error: KafkaError) -> None:
    """Raises: BrokerError: the error is neither the end of a partition nor one that mends itself."""
    if error.code() != KafkaError._PARTITION_EOF and not error.retriable() and error.code() not in _PASSING:
        raise BrokerError(f"Kafka refused to be read: {said(error)}")


def said(error: KafkaError) -> str:
    """The error in Kafka's own words, on one line."""
    return str(error.str()).splitlines()[0]


def _answer(client: Consumer, topic: str, ask: Callable[[], Answer]) -> Answer:
    deadline = time.monotonic() + ANSWER
    while True:
        try:
            return ask()
        except KafkaException as error:
            refused = error.args[0]
        if refused.code() not in _SETTLING:
            raise BrokerError(f"Kafka does not answer: {said(refused)}; is it running?")
        if time.monotonic() > deadline:
            raise BrokerError(f"topic {topic} cannot be used: {said(refused)}")
        client.poll(GLANCE)
