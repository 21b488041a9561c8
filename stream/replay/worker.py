"""The replay: sends a source's events to Kafka in the order of their rows, and resumes where it was.

What dies when, and what becomes of it:

| killed                              | found at the next start                   | then                 |
|-------------------------------------|-------------------------------------------|----------------------|
| before a chunk's first row arrives  | the ticks after the chunk before          | the chunk is sent    |
| while a chunk is in flight          | in partition p its rows up to some r_p    | p gets those after   |
| with requests that arrive later     | their rows, again behind the new ones     | windowing drops them |
| between a chunk and its ticks       | its rows, ticks in some partitions        | no row is sent again |
| between the ticks of the end        | the end in some partitions                | the others get it    |
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType

import msgspec
import numpy as np
import numpy.typing as npt
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from prometheus_client import Counter, Gauge

from stream import kafka
from stream.errors import BrokerError
from stream.replay.encode import Encoder
from stream.replay.pace import Clock, Reached, may_go_on
from stream.replay.source import Source
from stream.topics import SCHEMA_VERSION
from stream.window.log import Tick, decode, tick

#: Rows between two flushes, each of which ticks follow.
CHUNK = 4096

#: A flush in which nothing at all is acknowledged for this long, in seconds, ends the replay.
PATIENCE = 60.0

#: The first look at the end of a partition is this many records; each further one four times as many.
_TAIL = 64

_SENT = Counter("asmg_replay_events", "Events of the source acknowledged by Kafka")
_TOTAL = Gauge("asmg_replay_rows", "Events the source has")
_ROW = Gauge("asmg_replay_row", "Events of the source that are in Kafka, an earlier run's included")

MaySend = Callable[[int], bool]
OnProgress = Callable[[int, int, float], None]


@dataclass(frozen=True)
class Plan:
    """Where a replay sends to, and how fast."""

    events: str  # topic
    lateness: int  # ms, of the watermark behind the newest event
    window: int  # ms, from an impression to the last click that counts
    speed: float = float("inf")  # event time passes this much faster than time; inf: as fast as it goes
    chunk: int = CHUNK


class _Numbered(msgspec.Struct):
    period: int


def replay(
    source: Source,
    broker: Mapping[str, object],
    plan: Plan,
    *,
    stop: threading.Event,
    may_send: MaySend = lambda row: True,  # noqa: ARG005 named for those who pass their own
    on_progress: OnProgress = lambda done, total, rate: None,  # noqa: ARG005
) -> int:
    """Sends what Kafka does not hold of the source yet, then the end; returns how many rows it sent.

    `broker` holds librdkafka's settings. `may_send(row)` is asked before each chunk, `row` being its first;
    `on_progress(rows in Kafka, rows, events/s)` is told after it. When `stop` is set the chunk at hand is
    acknowledged and no end is written. Raises: BrokerError.
    """
    ts = source.events["ts"].to_numpy()
    with _Log(source, broker, plan.events) as log:
        began, first = time.monotonic(), log.missing
        clock, row, sent = Clock(ts, plan.speed, began, first), first, 0
        _TOTAL.set(len(source))
        while row < len(source) and not stop.is_set():
            due = clock.due(time.monotonic())
            if due <= row:
                stop.wait(max(kafka.GLANCE, clock.wait(row, time.monotonic())))
            elif not may_send(row):
                stop.wait(kafka.GLANCE)
            else:
                last = min(due, row + plan.chunk)
                sent += log.append(row, last)
                log.tick(last - 1, tick(int(ts[last - 1]) - plan.lateness))
                row = last
                _ROW.set(row)
                on_progress(row, len(source), (row - first) / max(time.monotonic() - began, 1e-9))
        if row == len(source) and row:
            log.end(row - 1, tick(int(ts[-1]) + plan.lateness + plan.window + 1, end=True))
    return sent


class Trained:
    """A `may_send` by which at most one closed period waits for training while another is trained."""

    def __init__(
        self,
        source: Source,
        broker: Mapping[str, object],
        *,
        samples: str,
        periods: str,
        serve: str,
        lateness: int,
        ahead: int,
    ) -> None:
        """Follows the three topics; `ahead` is how many rows the replay may be before windowing."""
        self._ts, self._lateness, self._ahead = source.events["ts"].to_numpy(), lateness, ahead
        self._samples, self._periods, self._serve = samples, periods, serve
        self._consumer = kafka.consumer(broker, wait=100)
        partitions = kafka.partitions_of(self._consumer, samples)
        self._reached = Reached({}, partitions)
        places = []
        for topic, partition in [
            (periods, 0),
            (serve, 0),
            *((samples, place) for place in range(partitions)),
        ]:
            low, end = kafka.offsets(self._consumer, topic, partition)
            begin = max(low, end - 1) if topic == samples else low  # the newest watermark tells all
            self._take(kafka.between(self._consumer, topic, partition, begin, end))
            places.append(TopicPartition(topic, partition, end))
        self._consumer.assign(places)

    def __call__(self, row: int) -> bool:
        """Whether the chunk that begins at the row may be sent; takes up to a moment to look."""
        while messages := self._consumer.consume(1000, 0.0):
            self._take(messages)
        if not may_go_on(self._reached, self._ts, row, self._lateness, self._ahead):
            self._take(self._consumer.consume(1000, kafka.GLANCE))
        return may_go_on(self._reached, self._ts, row, self._lateness, self._ahead)

    def close(self) -> None:
        """Follows no longer."""
        self._consumer.close()

    def _take(self, messages: list[Message]) -> None:
        for message in messages:
            if message.error() is not None:
                kafka.raise_unless_passing(message.error())
            elif message.topic() == self._samples:
                watermark = kafka.header(message, "watermark")
                if watermark is not None:
                    self._reached.watermarks[message.partition()] = int(watermark)
            elif message.topic() == self._periods:
                self._reached.close([msgspec.json.decode(message.value(), type=_Numbered).period])
            else:
                self._reached.serve([msgspec.json.decode(message.value(), type=_Numbered).period])


class _Log:
    """The events topic as one source sees it: what of it is there, and appending the rest."""

    def __init__(self, source: Source, broker: Mapping[str, object], topic: str) -> None:
        self._topic = topic
        self._name = source.name.encode()
        self._encoder = Encoder(source.events)
        self._failure: str | None = None
        consumer = kafka.consumer(broker, wait=10)
        try:
            count = kafka.partitions_of(consumer, topic)
            found = [_found(consumer, topic, partition, self._name) for partition in range(count)]
        finally:
            consumer.close()
        self._held = np.array([row for row, _ in found], np.int64)  # [partitions] last row held, or -1
        self._ended = [ended for _, ended in found]
        self._partition = self._encoder.partitions(count)  # [n]
        self._producer = kafka.producer(
            {"queue.buffering.max.messages": 50_000, **broker},
            {
                "message.timeout.ms": 0,  # one that timed out would leave a gap before its successors
                "on_delivery": self._delivered,
                "error_cb": self._failed,
            },
        )

    @property
    def missing(self) -> int:
        """The first row that may be missing: the partition that holds least is sure to lack none before."""
        return int(self._held.min()) + 1

    def append(self, first: int, last: int) -> int:
        """Sends those rows of [first, last) that are not there yet, returns how many; all acknowledged."""
        partition = self._partition[first:last]
        absent: npt.NDArray[np.bool_] = np.arange(first, last) > self._held[partition]
        rows = zip(self._encoder.encode(first, last), partition.tolist(), absent.tolist(), strict=True)
        for (key, value, row), place, wanted in rows:
            if wanted:
                self._send(place, row, value, key)
        self._flush()
        sent = int(np.count_nonzero(absent))
        _SENT.inc(sent)
        return sent

    def tick(self, row: int, value: bytes) -> None:
        """Writes the tick to every partition that holds no later row than `row`, the last acknowledged."""
        for partition in np.flatnonzero(self._held < row).tolist():
            self._send(partition, row, value)
            self._held[partition] = row

    def end(self, row: int, value: bytes) -> None:
        """Writes the end to every partition that has none of this source yet."""
        for partition, ended in enumerate(self._ended):
            if not ended:
                self._send(partition, row, value)
        self._flush()

    def _send(self, partition: int, row: int, value: bytes, key: bytes | None = None) -> None:
        headers = [("source", self._name), ("row", b"%d" % row), ("schema", SCHEMA_VERSION)]
        while True:
            try:
                self._producer.produce(self._topic, value, key, partition, headers=headers)
                return
            except BufferError:
                self._progress()
            except KafkaException as error:
                raise BrokerError(f"Kafka refused an event: {kafka.said(error.args[0])}") from error

    def _flush(self) -> None:
        while len(self._producer):
            self._progress()
        self._check()

    def _progress(self) -> None:
        """Waits until something is acknowledged. Raises: BrokerError: nothing is, for too long."""
        waiting, deadline = len(self._producer), time.monotonic() + PATIENCE
        while 0 < waiting <= len(self._producer):  # 0: all was, between the question and this
            self._producer.flush(kafka.GLANCE)
            self._check()
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"Kafka has acknowledged nothing of topic {self._topic} for {PATIENCE:.0f} s; "
                    "start it again, and the replay, which goes on where it was"
                )

    def _check(self) -> None:
        if self._failure is not None:
            raise BrokerError(f"Kafka refused an event of topic {self._topic}: {self._failure}")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:  # noqa: ARG002
        if error is not None:
            self._failure = kafka.said(error)

    def _failed(self, error: KafkaError) -> None:
        if error.fatal():
            self._failure = kafka.said(error)

    def __enter__(self) -> _Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves nothing queued behind: what a failure left is dropped, or it might follow a gap."""
        if kind is None:
            self._flush()
        else:
            self._failure = None
            self._producer.purge()


def _found(consumer: Consumer, topic: str, partition: int, name: bytes) -> tuple[int, bool]:
    """The row of the last record of the source in the partition, or -1, and whether it is the end.

    Records of others may lie behind it, so the partition is read backwards, in blocks.
    """
    low, end = kafka.offsets(consumer, topic, partition)
    block = _TAIL
    while end > low:
        begin = max(low, end - block)
        last: Message | None = None
        for message in kafka.between(consumer, topic, partition, begin, end):
            if kafka.header(message, "source") == name:
                last = message
        if last is not None:
            return int(kafka.header(last, "row") or b"-1"), last.key() is None and _is_end(last.value())
        end, block = begin, block * 4
    return -1, False


def _is_end(value: bytes | None) -> bool:
    (event,) = decode([value])
    return isinstance(event, Tick) and event.end
