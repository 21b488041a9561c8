"""Windowing: events in, numbered samples out; whoever has partition 0 closes the periods too.

One turn: read, step, write samples (histories, dead letters), and now and then flush and checkpoint.
What dies when, and what becomes of it:

| killed                                 | found at the next start | then                                  |
|----------------------------------------|-------------------------|---------------------------------------|
| after reading, before writing          | the last checkpoint     | the same events make the same samples |
| with samples written, some in flight   | the last checkpoint     | they are written again, equal numbers |
| between the store and the announcement | the checkpoint before   | the same; the parts are put again     |
| while another takes the partition over | its own checkpoint      | both write the same                   |
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby

import msgspec
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from prometheus_client import Counter, Gauge

from stream import kafka
from stream.close.batches import Batch, Reached, messages
from stream.close.closer import Closer, settle_settings
from stream.errors import BrokerError
from stream.forgotten import digest_of
from stream.metrics import metrics_on
from stream.records import Manifest, encode
from stream.settings import StreamSettings
from stream.store import Store
from stream.topics import Topics
from stream.window.checkpoints import Chain, Checkpoints
from stream.window.log import Log, tick
from stream.window.partition import Partition, Step

#: A worker that is not heard of for this long, in ms, loses its partitions to the others.
SESSION = 6_000

#: Python's garbage collector looks at young objects after this many: a batch makes them by the ten thousand.
YOUNG = 200_000

#: Records that exist as Kafka's objects at a time: their columns are made while they are in the CPU's caches,
#: which takes two thirds of the time that it takes of a whole batch.
SIP = 512

_EVENTS = Gauge("asmg_window_events", "Events of a partition by what became of them", ["partition", "became"])
_NUMBER = Gauge("asmg_window_samples", "Samples numbered", ["partition"])
_WATERMARK = Gauge("asmg_window_watermark_ms", "Watermark, ms of event time", ["partition"])
_LAG = Gauge("asmg_window_lag_events", "Records of events that were not read yet", ["partition"])
_BUSY = Counter("asmg_window_busy_seconds", "Time for which input was waiting")
_CHECKPOINT = Gauge("asmg_window_checkpoint_seconds", "Seconds the last checkpoint took")

Headers = list[tuple[str, bytes | None]]

_log = logging.getLogger(__name__)


def window(
    broker: Mapping[str, object],
    topics: Topics,
    store: Store,
    settings: StreamSettings,
    stop: threading.Event,
) -> None:
    """Window and close until `stop` is set; the group hands out the partitions.

    Raises: AsmgError: Kafka or the store fails, or periods were begun under other settings.
    """
    gc.set_threshold(YOUNG, 50, 50)
    _load_compiled(settings)
    with metrics_on(settings.metrics_port, "stream.metrics_port"):
        start = settle_settings(broker, topics, settings, stop)
        if start is None:
            return
        with _Windower(broker, topics, store, settings, start) as windower:
            while not stop.is_set():
                windower.turn(stop)


@dataclass(eq=False)
class _Place:
    """A partition this worker has."""

    number: int
    state: Partition
    offset: int  # of `events`: the next to be read
    chain: Chain
    reached: Reached
    saved_at: float = field(default_factory=time.monotonic)


class _Windower:
    def __init__(
        self,
        broker: Mapping[str, object],
        topics: Topics,
        store: Store,
        settings: StreamSettings,
        start: Manifest,
    ) -> None:
        self._broker, self._topics, self._settings = broker, topics, settings
        self._writer = kafka.Writer(broker)
        self._checkpoints = Checkpoints(broker, topics, store, settings, start.begin)
        self._places: dict[int, _Place] = {}
        self._fresh: dict[int, list[Log]] = {}  # by partition: what this turn has read so far
        self._closer: Closer | None = None
        self._consumer = Consumer(
            {
                **broker,
                "group.id": f"{topics.prefix}window",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": SESSION,
                "heartbeat.interval.ms": SESSION // 4,
                "log_level": 2,
            }
        )
        self._consumer.subscribe(
            [topics.events], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )

    def __enter__(self) -> _Windower:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Leave the group at once; after a failure nothing is saved that might not have arrived."""
        if kind is None:
            for place in self._places.values():
                self._save(place)
        self._consumer.close()
        if self._closer is not None:
            self._closer.close()

    def turn(self, stop: threading.Event) -> None:
        """Read, step, write; then close what can be closed."""
        began = time.monotonic()
        logs = self._read()
        if sum(map(len, logs.values())) < self._settings.batch:
            began = time.monotonic()  # it waited for input, not input for it
        for number, log in logs.items():
            self._step(self._places[number], log)
        for place in self._places.values():
            if time.monotonic() - place.saved_at > self._settings.checkpoint_every / 1000:
                self._save(place)
        if self._closer is not None:
            self._closer.turn(stop)
        if logs:
            self._book(began, logs)

    def _read(self) -> dict[int, Log]:
        """The next records by partition. Raises: BrokerError: Kafka refuses to be read."""
        self._fresh.clear()
        missing, wait = self._settings.batch, kafka.GLANCE
        while missing > 0 and (found := self._consumer.consume(min(missing, SIP), wait)):
            missing, wait = missing - len(found), 0.0
            if broken := [message for message in found if message.error() is not None]:
                for message in broken:
                    _raise_unless_passing(message.error())
                found = [message for message in found if message.error() is None]
            for partition, run in groupby(found, Message.partition):
                self._fresh.setdefault(partition, []).append(_as_log(list(run)))
        return {number: Log.joined(parts) for number, parts in self._fresh.items() if number in self._places}

    def _step(self, place: _Place, log: Log) -> None:
        first = place.state.number
        steps = place.state.step(log)
        place.offset = log.offsets[-1] + 1
        for step in steps:
            self._write(place, first, step, log.timestamps[0])
            first += len(step.samples)

    def _write(self, place: _Place, first: int, step: Step, event_at: int) -> None:
        counts = msgspec.structs.asdict(place.state.counts)
        reached = Reached(step.watermark, step.ends, place.offset, event_at, counts, place.reached.busy_ms)
        forgotten = tuple((at, digest_of(user)) for at, user in step.forgotten)
        batch = Batch(place.number, first, step.samples, reached, forgotten)
        for value, headers in messages(batch, place.reached):
            self._writer.write(self._topics.samples, value, partition=place.number, headers=headers)
        place.reached = reached
        for user, history in step.histories:
            told = None if history is None else encode(history)
            self._writer.write(self._topics.histories, told, key=user.encode(), partition=place.number)
            place.chain.changed.add(user)
            place.chain.anew |= history is None
        for dead in step.dead:
            headers = [
                ("reason", dead.reason.encode()),
                ("topic", self._topics.events.encode()),
                ("partition", b"%d" % place.number),
                ("offset", b"%d" % dead.offset),
            ]
            self._writer.write(self._topics.dead_letters, dead.value, headers=headers)

    def _book(self, began: float, logs: Mapping[int, Log]) -> None:
        """Books the time that input was waiting, on the partitions it came from."""
        busy = time.monotonic() - began
        _BUSY.inc(busy)
        total = sum(map(len, logs.values()))
        for number, log in logs.items():
            place = self._places[number]
            share = round(busy * 1000 * len(log) / total)
            place.reached = replace(place.reached, busy_ms=place.reached.busy_ms + share)
            self._show(place)

    def _show(self, place: _Place) -> None:
        name = str(place.number)
        for became, count in place.reached.counts.items():
            _EVENTS.labels(name, became).set(count)
        _NUMBER.labels(name).set(place.state.number)
        _WATERMARK.labels(name).set(place.reached.watermark)
        _, end = self._consumer.get_watermark_offsets(
            TopicPartition(self._topics.events, place.number), cached=True
        )
        _LAG.labels(name).set(max(0, end - place.offset))

    def _hide(self, place: _Place) -> None:
        """Whoever has the partition now tells of it, and sums over workers count it once."""
        name = str(place.number)
        for gauge in (_NUMBER, _WATERMARK, _LAG):
            with suppress(KeyError):  # nothing of it was read, so nothing was told
                gauge.remove(name)
        for became in place.reached.counts:
            with suppress(KeyError):
                _EVENTS.remove(name, became)

    def _save(self, place: _Place) -> None:
        began = place.saved_at = time.monotonic()
        if place.offset == place.chain.offset:
            return
        self._writer.flush()
        self._checkpoints.save(
            place.number, place.state, place.offset, place.reached.busy_ms, place.chain, self._writer
        )
        _CHECKPOINT.set(time.monotonic() - began)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        loaded = self._checkpoints.load([one.partition for one in partitions])
        for one in partitions:
            state, chain = loaded[one.partition]
            counts = msgspec.structs.asdict(state.counts)
            reached = Reached(state.watermark, state.ends, chain.offset, 0, counts, chain.busy_ms)
            self._places[one.partition] = _Place(one.partition, state, chain.offset, chain, reached)
            one.offset = chain.offset
            _log.info("partition %d: goes on at offset %d of events", one.partition, one.offset)
        consumer.incremental_assign(partitions)
        if 0 in self._places and self._closer is None:
            self._closer = Closer(self._broker, self._topics, self._settings, self._writer)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for one in partitions:
            self._save(self._places[one.partition])
        self._lost(consumer, partitions)

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for one in partitions:
            self._hide(self._places.pop(one.partition))
            self._fresh.pop(one.partition, None)  # whoever has it next, perhaps this worker, reads it again
        consumer.incremental_unassign(partitions)
        if 0 not in self._places and self._closer is not None:
            self._closer.close()
            self._closer = None


def _load_compiled(settings: StreamSettings) -> None:
    """Takes a click through windowing that nobody sees, which loads what is compiled.

    It takes seconds, for which partitions would wait once they are this worker's.
    """
    click = b'{"type":"click","user_id":"u","item_id":"i","categories":["c"],"ts":0}'
    Partition(settings).step(Log([click, tick(1, end=True)], [0, 1], [0, 0], [None, None], [-1, -1]))


def _as_log(messages: list[Message]) -> Log:
    """Records of one partition, column by column: a call for each event and each field is what costs."""
    numbered = _numbered([message.headers() or [] for message in messages])
    return Log(
        values=[message.value() for message in messages],
        offsets=[message.offset() for message in messages],
        timestamps=[message.timestamp()[1] for message in messages],
        sources=[source for source, _ in numbered],
        rows=[int(row) if row is not None and row.isdigit() else -1 for _, row in numbered],
    )


def _numbered(headers: list[Headers]) -> list[tuple[bytes | None, bytes | None]]:
    """The headers `source` and `row` of each record; of several of one name the last."""
    with suppress(ValueError):  # as the replay writes them: half the time
        found = [(source, row) for (a, source), (b, row), _ in headers if a == "source" and b == "row"]
        if len(found) == len(headers):
            return found
    given = [dict(one) for one in headers]
    return [(one.get("source"), one.get("row")) for one in given]


def _raise_unless_passing(error: KafkaError) -> None:
    """Raises: BrokerError: the error does not mend itself."""
    if error.code() == KafkaError._AUTO_OFFSET_RESET:
        raise BrokerError(
            "topic events no longer holds what windowing would have to read: "
            f"{kafka.said(error)}; restore the store's checkpoints, or use another kafka.prefix"
        )
    kafka.raise_unless_passing(error)
