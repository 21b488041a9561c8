"""The one place that speaks to Kafka: topics made, logs followed, records written and acknowledged."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ListOffsetsResultInfo, NewTopic, OffsetSpec

from stream.errors import BrokerError, ConfigurationError
from stream.settings import KafkaSettings
from stream.topics import SCHEMA_VERSION, Topics

#: How long an answer to a question about topics and offsets may take, in seconds.
ANSWER = 15.0

#: How long a wait lasts before its condition is looked at again, in seconds.
GLANCE = 0.05

#: What a broker says of a topic that was made a moment ago, or whose leader is moving.
_SETTLING = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError._DESTROY_BROKER,
    KafkaError._TIMED_OUT,
)

#: Errors of a connection that librdkafka mends by itself.
_PASSING = (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE, KafkaError._TIMED_OUT)

#: A writer whose records are not acknowledged for this long, in seconds, gives up; so does who asks or reads
#: a topic whose leader is moving. A node that dies has none moved before 9 s, on a busy machine much later.
PATIENCE = 60.0

Answer = TypeVar("Answer")


def broker(settings: KafkaSettings, bootstrap: str) -> dict[str, object]:
    """librdkafka's settings: the user's own, and the address."""
    return {**settings.options, "bootstrap.servers": bootstrap}


def ensure_topics(kafka: Mapping[str, object], settings: KafkaSettings, partitions: int) -> Topics:
    """Make the topics that are not there yet; their names.

    Raises: BrokerError: Kafka does not answer. ConfigurationError: a topic has another number of partitions.
    """
    topics = Topics(settings.prefix)
    layout = topics.layout(partitions)
    admin = AdminClient({**kafka, "log_level": 2})
    new = [
        NewTopic(name, count, settings.replication, config=config) for name, (count, config) in layout.items()
    ]
    try:
        for made in admin.create_topics(new, operation_timeout=ANSWER, request_timeout=ANSWER).values():
            _unless_there(made.result)
    except KafkaException as error:
        where = kafka["bootstrap.servers"]
        raise BrokerError(f"no Kafka answers at {where}: {said(error.args[0])}; is it running?") from error
    client = consumer(kafka, wait=100)
    try:
        for name, (count, _) in layout.items():
            if (found := partitions_of(client, name)) != count:
                raise ConfigurationError(
                    f"topic {name} has {found} partitions, the settings ask for {count}: "
                    "set stream.partitions to what it has, or another kafka.prefix"
                )
    finally:
        client.close()
    return topics


def _unless_there(result: Callable[[], object]) -> None:
    try:
        result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise


class Writer:
    """Writes records that arrive once each and in order; one that cannot be delivered ends the worker."""

    def __init__(self, kafka: Mapping[str, object]) -> None:
        self._failed: KafkaError | None = None
        self._producer = producer(
            kafka,
            {
                "enable.gapless.guarantee": True,  # nothing arrives behind a record that was lost
                "message.max.bytes": 8 * 1024 * 1024,
                "message.timeout.ms": int(PATIENCE * 1000),
            },
        )

    def write(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int = 0,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Queue one record. Raises: BrokerError: an earlier one was not delivered."""
        self._raise_if_failed()
        while True:
            try:
                self._producer.produce(
                    topic,
                    value,
                    key,
                    partition,
                    self._delivered,
                    headers=[("schema", SCHEMA_VERSION), *headers],
                )
                break
            except BufferError:
                self._producer.poll(GLANCE)
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait until everything written is acknowledged.

        Raises: BrokerError: something was not delivered.
        """
        while self._producer.flush(1.0):
            self._raise_if_failed()
        self._raise_if_failed()

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failed = self._failed or error

    def _raise_if_failed(self) -> None:
        if self._failed is not None:
            raise BrokerError(f"Kafka did not take a record: {said(self._failed)}")


class Follower:
    """Follows partitions of topics from given offsets; knows which of them it has read to the end."""

    def __init__(self, kafka: Mapping[str, object], places: Mapping[tuple[str, int], int]) -> None:
        self._consumer = consumer(kafka, wait=100)
        self._ends = {place: offsets(self._consumer, *place)[1] for place in places}
        self.positions = dict(places)
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in places.items()])

    def poll(self, timeout: float, limit: int = 1000) -> list[Message]:
        """Up to `limit` records that have come, waiting at most `timeout` seconds for the first.

        Raises: BrokerError: Kafka refuses to be read.
        """
        found: list[Message] = []
        wait = timeout
        while len(found) < limit and (message := self._consumer.poll(wait)) is not None:
            error = message.error()
            if error is None:
                self.positions[(message.topic(), message.partition())] = message.offset() + 1
                found.append(message)
                wait = 0.0
            else:
                raise_unless_passing(error)
        return found

    @property
    def caught_up(self) -> bool:
        """Whether everything that was there when following began has been read."""
        return all(self.positions[place] >= end for place, end in self._ends.items())

    def behind(self, topic: str) -> int:
        """Records of a topic that Kafka had when it last answered, and that were not polled yet."""
        behind = 0
        for (name, partition), position in self.positions.items():
            if name == topic:
                _, high = self._consumer.get_watermark_offsets(TopicPartition(name, partition), cached=True)
                behind += max(0, high - position)
        return behind

    def close(self) -> None:
        """Leave."""
        self._consumer.close()


@dataclass(frozen=True)
class End:
    """What the leader of a partition said of its end."""

    offset: int  # behind the last record
    epoch: int  # how often a leader was chosen


class Ends:
    """Asks where partitions of a topic end, again and again, and waits for no answer."""

    def __init__(self, kafka: Mapping[str, object], topic: str, partitions: int, every: float) -> None:
        """`every`: a question each so many seconds, which may take as long, but at least one second."""
        self._admin = AdminClient({**kafka, "log_level": 2})
        self._topic, self._every = topic, every
        self._wanted = {TopicPartition(topic, one): OffsetSpec.latest() for one in range(partitions)}
        self._asked_at, self._answers = float("-inf"), dict[TopicPartition, Future[ListOffsetsResultInfo]]()

    def answer(self) -> dict[int, End]:
        """What has come of the last question: nothing yet, or the end of each partition with a leader.

        Raises: BrokerError: Kafka refuses to say.
        """
        if not self._answers:
            if time.monotonic() - self._asked_at >= self._every:
                self._asked_at = time.monotonic()
                self._answers = self._admin.list_offsets(self._wanted, request_timeout=max(self._every, 1.0))
            return {}
        if not all(map(Future.done, self._answers.values())):
            return {}
        found, self._answers = self._answers, {}
        ends = {}
        for place, answer in found.items():
            try:
                said_of_it = answer.result()
            except KafkaException as error:
                if error.args[0].code() not in _SETTLING:
                    raise_unless_passing(error.args[0])
                continue
            if said_of_it.offset >= 0:  # a question that ends without one gives -1001
                ends[place.partition] = End(said_of_it.offset, said_of_it.leader_epoch)
        if len(ends) < len(found):  # librdkafka does not look for a new leader by itself
            with contextlib.suppress(KafkaException):
                self._admin.list_topics(self._topic, timeout=1.0)
        return ends


def producer(kafka: Mapping[str, object], more: Mapping[str, object]) -> Producer:
    """A producer whose records arrive once each and in order; `more` is what its user decides for it."""
    return Producer(
        {
            "linger.ms": 5,
            "compression.type": "lz4",
            # A node that is away is looked for each second. With librdkafka's own 10 s a partition might be
            # taken for idle before a producer has seen that it can be written again.
            "reconnect.backoff.max.ms": 1_000,
            **kafka,
            "enable.idempotence": True,
            "acks": "all",
            "delivery.report.only.error": True,
            "log_level": 2,
            **more,
        }
    )


def consumer(kafka: Mapping[str, object], wait: int) -> Consumer:
    """A consumer that is told where to begin and commits nothing.

    A fetch that finds nothing takes `wait` ms, and an assignment waits for the fetch before it.
    """
    return Consumer(
        {
            **kafka,
            "group.id": "asmg",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": wait,
            "log_level": 2,
        }
    )


def partitions_of(client: Consumer, topic: str) -> int:
    """How many partitions the topic has. Raises: BrokerError: no answer, or no such topic."""

    def ask() -> int:
        found = client.list_topics(topic, timeout=ANSWER).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        return len(found.partitions)

    return _answer(client, topic, ask)


def is_there(client: Consumer, topic: str) -> bool:
    """Whether there is such a topic; asking makes none. Raises: BrokerError: no answer."""
    return topic in _answer(client, topic, lambda: client.list_topics(timeout=ANSWER)).topics


def offsets(client: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """The first offset of a partition, and the one after its last. Raises: BrokerError."""
    place = TopicPartition(topic, partition)
    low, high = _answer(client, topic, lambda: client.get_watermark_offsets(place, timeout=ANSWER))
    return int(low), int(high)


def holds_any(kafka: Mapping[str, object], topic: str, partitions: int) -> bool:
    """Whether anything was ever written to the topic. Raises: BrokerError."""
    client = consumer(kafka, wait=10)
    try:
        return any(offsets(client, topic, one)[1] > 0 for one in range(partitions))
    finally:
        client.close()


def offset_since(client: Consumer, topic: str, partition: int, time_ms: int) -> int:
    """The first offset whose record is not older than that; the one after the last where all are older.

    Raises: BrokerError.
    """
    place = TopicPartition(topic, partition, time_ms)
    (found,) = _answer(client, topic, lambda: client.offsets_for_times([place], timeout=ANSWER))
    return int(found.offset) if found.offset >= 0 else offsets(client, topic, partition)[1]


def between(client: Consumer, topic: str, partition: int, begin: int, end: int) -> list[Message]:
    """The records at the offsets [begin, end) of a partition; assigns the consumer to it.

    Raises: BrokerError: Kafka refuses, or gives nothing for too long.
    """
    return spans(client, topic, {partition: (begin, end)})[partition]


def spans(client: Consumer, topic: str, wanted: Mapping[int, tuple[int, int]]) -> dict[int, list[Message]]:
    """By partition the records at the offsets [begin, end); assigns the consumer to all of them together.

    Raises: BrokerError: Kafka refuses, has no such records, or gives nothing for too long.
    """
    found: dict[int, list[Message]] = {partition: [] for partition in wanted}
    for message in each(client, topic, wanted):
        found[message.partition()].append(message)
    return found


def each(client: Consumer, topic: str, wanted: Mapping[int, tuple[int, int]]) -> Iterator[Message]:
    """The same one after the other, as they come: those of a partition in their order."""
    missing = {partition: end for partition, (begin, end) in wanted.items() if begin < end}
    if not missing:
        return
    client.assign([TopicPartition(topic, partition, wanted[partition][0]) for partition in missing])
    deadline = time.monotonic() + PATIENCE
    while missing:
        if time.monotonic() > deadline:
            raise BrokerError(
                f"Kafka gave nothing of partitions {sorted(missing)} of topic {topic} for {PATIENCE:.0f} s"
            )
        message = client.poll(GLANCE)
        if message is None or (end := missing.get(message.partition())) is None:
            continue
        error, partition = message.error(), message.partition()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise_unless_passing(error)
            continue
        if error is None and message.offset() < end:
            yield message
            deadline = time.monotonic() + PATIENCE
        if message.offset() >= (end - 1 if error is None else end):
            del missing[partition]
        elif error is not None:
            # A leader that was chosen a moment ago may tell of an end before the true one, but not when it is
            # asked for its offsets: then it refuses to say until it knows (KIP-207).
            _, last = offsets(client, topic, partition)
            if last < end:
                raise BrokerError(f"partition {partition} of topic {topic} ends at offset {last}, not {end}")


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
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except KafkaException as error:
            refused = error.args[0]
        if refused.code() not in _SETTLING:
            raise BrokerError(f"Kafka does not answer: {said(refused)}; is it running?")
        if time.monotonic() > deadline:
            raise BrokerError(f"topic {topic} cannot be used: {said(refused)}")
        # librdkafka does not ask anew where a topic is that is not read: seen at the death of a node, after
        # which a partition of such a topic stayed unknown for good.
        with contextlib.suppress(KafkaException):
            client.list_topics(topic, timeout=ANSWER)
        client.poll(GLANCE)
