"""What `asmg forget` reads and writes in Kafka."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
from confluent_kafka import Consumer, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from stream import kafka
from stream.errors import BrokerError, CorruptRecord
from stream.records import History, decode
from stream.replay.encode import partition_of
from stream.topics import Topics
from stream.window.log import forget

Broker = Mapping[str, object]


def write_wish(broker: Broker, client: Consumer, topics: Topics, user: str) -> None:
    """The wish, in the partition of the user's events, acknowledged. Raises: BrokerError."""
    writer = kafka.Writer(broker)
    partition = _partition(client, topics.events, user)
    writer.write(topics.events, forget(user), key=user.encode(), partition=partition)
    writer.flush()


def history(client: Consumer, topics: Topics, user: str) -> int:
    """How many positives `histories` has of the user; assigns the consumer. Raises: BrokerError."""
    partition = _partition(client, topics.histories, user)
    whole = kafka.offsets(client, topics.histories, partition)
    newest: bytes | None = None
    for message in kafka.each(client, topics.histories, {partition: whole}):
        if message.key() == user.encode():
            newest = message.value()
    try:
        return len(decode(History, newest).items) if newest else 0
    except CorruptRecord:
        return 0


def retention(broker: Broker, topic: str) -> int | None:
    """ms after which a record is gone: its age, and a segment's; None: never. Raises: BrokerError."""
    wanted = ConfigResource(ResourceType.TOPIC, topic)
    try:
        admin = AdminClient({**broker, "log_level": 2})  # a name of its own: with it the answer would be gone
        answer = admin.describe_configs([wanted])[wanted].result(kafka.ANSWER)
        found = {name: one.value for name, one in answer.items()}
    except KafkaException as error:
        raise BrokerError(
            f"Kafka does not say how long it keeps {topic}: {kafka.said(error.args[0])}"
        ) from error
    age = int(found["retention.ms"])
    return None if age < 0 else age + int(found["segment.ms"])


def _partition(client: Consumer, topic: str, user: str) -> int:
    return int(partition_of(pa.array([user]), kafka.partitions_of(client, topic))[0])
