"""Ingest: one's own topics read by event time, mapped, and written to `events`, each record once.

One turn: read, map, take what is behind first, write; and once a second flush and mark in every partition how
far that was. Rows are numbered by their record's offset, so what is there already is seen, and what a writer
that was killed had in flight is dropped by windowing, as a replay's is.
What dies when, and what becomes of it:

| killed                              | found at the next start                   | then                     |
|-------------------------------------|-------------------------------------------|--------------------------|
| before a record is written          | the last marks                            | it is read again         |
| while records are in flight         | in partition p rows of source s to some r | p gets those of s beyond |
| with requests that arrive later     | their rows, again behind the new ones     | windowing drops them     |
| between the marks of two partitions | a newer and an older mark                 | each gets what it lacks  |
| with dead letters in flight         | those that arrived, behind the mark       | the others are written   |
| while it waits for a registry       | the last marks                            | the record is read again |
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter as Counts
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import NamedTuple

import msgspec
import pyarrow as pa
from confluent_kafka import KafkaError, Message, TopicPartition
from prometheus_client import Counter, Gauge

from stream import kafka
from stream.dead.letters import headers_of, shortened
from stream.errors import BrokerError
from stream.ingest import held
from stream.ingest.mapping import SLATE, Mapped
from stream.ingest.marks import Mark, Place, resumed, source_of
from stream.ingest.merge import NEVER, Merge
from stream.ingest.source import by_topic, decoders, first_offset, foreign, mappings, record_of, require_topic
from stream.ingest.values import Unmappable
from stream.metrics import metrics_on
from stream.records import now
from stream.replay.encode import partition_of
from stream.settings import IngestSettings, StreamSettings
from stream.topics import Topics
from stream.window.log import Click, Impression, tick

#: Records read, and records taken, at a time.
READ, TAKE = 2_000, 2_000

#: Records of one partition that may wait until those behind were read: beyond, it is not read for a while.
AHEAD = 8_000

#: Seconds between two marks, and records after which one is due at once.
MARK_EVERY, MARK_AFTER = 1.0, 20_000

#: Seconds between two looks for partitions that a topic has got.
LOOK_EVERY = 30.0

#: KB that librdkafka fetches ahead of each partition.
PREFETCH = 4_096

_RECORDS = Counter("asmg_ingest_records", "Records read, by what became of them", ["topic", "became"])
_EVENTS = Counter("asmg_ingest_events", "Events written", ["topic", "kind"])
_LAG = Gauge("asmg_ingest_lag_records", "Records of a topic that were not taken yet", ["topic"])
_TIME = Gauge("asmg_ingest_time_ms", "Event time that all topics have reached, ms")

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


def ingest(
    broker: Mapping[str, object],
    topics: Topics,
    settings: IngestSettings,
    stream: StreamSettings,
    stop: threading.Event,
) -> None:
    """Ingest until `stop` is set. Raises: AsmgError."""
    by_topic(settings)
    with (
        metrics_on(settings.metrics_port, "ingest.metrics_port"),
        _Ingest(broker, topics, settings, stream) as work,
    ):
        while not stop.is_set():
            work.turn()


class _Taken(NamedTuple):
    """A record that was read and mapped."""

    offset: int
    mapped: Mapped
    message: Message | None  # where it is for the dead letters


class _Ingest:
    def __init__(
        self, broker: Mapping[str, object], topics: Topics, settings: IngestSettings, stream: StreamSettings
    ) -> None:
        self._topics, self._settings, self._stream = topics, settings, stream
        self._starts = {topic: tables[0].start for topic, tables in by_topic(settings).items()}
        self._decode, self._map = decoders(settings), mappings(settings)
        self._reader = kafka.consumer(
            {"queued.max.messages.kbytes": PREFETCH, **foreign(settings, broker)}, wait=100
        )
        self._ours = kafka.consumer(broker, wait=10)
        self._writer = kafka.Writer(broker)
        self._merge: Merge[Place, _Taken] = Merge()
        self._sources: dict[Place, bytes] = {}
        self._read: dict[Place, int] = {}  # the next record to be read
        self._next: dict[Place, int] = {}  # the next to be taken
        self._paused: set[Place] = set()
        self._watermark = 0
        self._unmarked, self._marked_at, self._looked_at = 0, time.monotonic(), time.monotonic()
        self._begin()

    def turn(self) -> None:
        """Read, take what is behind, write; now and then mark. Raises: BrokerError."""
        for message in self._reader.consume(READ, kafka.GLANCE):
            self._arrived(message)
        for place in self._merge.empty():
            _, high = self._reader.get_watermark_offsets(TopicPartition(*place), cached=True)
            if 0 <= high <= self._read[place]:
                self._merge.end(place)
        self._hold_back()
        if taken := self._merge.take(TAKE):
            self._write(taken)
        since = time.monotonic() - self._marked_at
        if self._unmarked and (since > MARK_EVERY or self._unmarked >= MARK_AFTER):
            self._mark()
        if time.monotonic() - self._looked_at > LOOK_EVERY:
            self._look_for_partitions()

    def _begin(self) -> None:
        """Find where an earlier run was, and mark where this one begins. Raises: BrokerError."""
        name = self._settings.name
        found = resumed(held.tails(self._ours, self._topics, name), name)
        self._floors = found.floors
        dead = found.dead if found.dead is not None else self._end_of_dead()
        self._dead_floors = held.dead_held(self._ours, self._topics, name, dead, set(found.begins))
        for topic, start in self._starts.items():
            require_topic(self._reader, topic)
            known = any(one == topic for one, _ in found.begins)
            for partition in range(kafka.partitions_of(self._reader, topic)):
                place = (topic, partition)
                if place in found.begins:
                    self._open(place, self._still_there(place, found.begins[place]))
                else:  # a partition that a known topic has got since holds only what is new
                    self._open(place, first_offset(self._reader, place, "earliest" if known else start))
        # Places that are configured no longer stay in the marks: they may come back.
        self._others = {one: at for one, at in found.begins.items() if one[0] not in self._starts}
        self._mark()
        self._assign(list(self._read))

    def _open(self, place: Place, offset: int) -> None:
        _log.info("topic %s partition %d: from offset %d", *place, offset)
        self._read[place] = self._next[place] = offset
        self._sources[place] = source_of(self._settings.name, place)
        self._merge.open(place)

    def _assign(self, places: Sequence[Place]) -> None:
        self._reader.incremental_assign([TopicPartition(*one, self._read[one]) for one in places])

    def _still_there(self, place: Place, offset: int) -> int:
        """The offset, or the first one where those before are gone and may be. Raises: BrokerError."""
        low, end = kafka.offsets(self._reader, *place)
        if offset > end:
            raise BrokerError(
                f"topic {place[0]} ends at offset {end} in partition {place[1]}, and ingest was at {offset}: "
                "was the topic made anew? Set another ingest.name to begin anew with it"
            )
        if offset < low:
            gone = f"topic {place[0]} has lost offsets {offset} to {low - 1} of partition {place[1]}"
            if self._settings.on_gap == "stop":
                raise BrokerError(f"{gone} before they were read: set ingest.on_gap to skip to go on without")
            _log.warning("%s; going on without them", gone)
        return max(offset, low)

    def _arrived(self, message: Message) -> None:
        place = (message.topic(), message.partition())
        if (error := message.error()) is not None:
            self._told(place, error)
            return
        offset = message.offset()
        mapped = self._mapped(message)
        ahead = now() + self._stream.max_skew
        at = max((one.ts for one in mapped.events if one.ts <= ahead), default=NEVER)
        self._merge.add(place, at, _Taken(offset, mapped, message if mapped.reason else None))
        self._read[place] = offset + 1

    def _mapped(self, message: Message) -> Mapped:
        topic = message.topic()
        try:
            value = self._decode[topic](topic, message.value())
        except Unmappable as problem:
            return Mapped(reason=str(problem))
        return self._map[topic](record_of(message, value))

    def _told(self, place: Place, error: KafkaError) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            self._merge.end(place)
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:
            self._read[place] = self._still_there(place, self._read[place])
            self._reader.seek(TopicPartition(*place, self._read[place]))
        else:
            kafka.raise_unless_passing(error)

    def _hold_back(self) -> None:
        """Partitions that are far ahead of others are not read until those have come nearer."""
        far = {place for place in self._read if self._merge.waiting(place) > AHEAD}
        near = {place for place in self._paused if self._merge.waiting(place) < AHEAD // 4}
        if new := far - self._paused:
            self._reader.pause([TopicPartition(*one) for one in new])
        if near:
            self._reader.resume([TopicPartition(*one) for one in near])
        self._paused = (self._paused | far) - near

    def _write(self, taken: Sequence[tuple[Place, int, _Taken]]) -> None:
        rows: list[tuple[Place, int, Impression | Click]] = []
        became: Counts[tuple[str, str]] = Counts()  # told at the end: a look-up of a metric takes as long as
        written: Counts[tuple[str, str]] = Counts()  # writing an event
        for place, at, one in taken:
            mapped = one.mapped
            for number, event in enumerate(mapped.events):
                rows.append((place, one.offset * SLATE + number, event))
            if mapped.reason:
                self._bury(place, one)
            became[place[0], _became(mapped)] += 1
            self._next[place] = one.offset + 1
            self._watermark = max(self._watermark, at - self._stream.lateness)
        users = pa.array([event.user_id for _, _, event in rows], pa.string())
        partitions = partition_of(users, len(self._floors)).tolist()
        for (place, row, event), partition in zip(rows, partitions, strict=True):
            if row > self._floors[partition].get(place, -1):
                self._writer.write(
                    self._topics.events,
                    _encode(event),
                    key=str(event.user_id).encode(),
                    partition=partition,
                    headers=[("source", self._sources[place]), ("row", b"%d" % row)],
                )
                written[place[0], "click" if event.kind else "impression"] += 1
        for metric, counts in ((_RECORDS, became), (_EVENTS, written)):
            for labels, count in counts.items():
                metric.labels(*labels).inc(count)
        self._unmarked += len(taken)
        _TIME.set(taken[-1][1])

    def _bury(self, place: Place, one: _Taken) -> None:
        if one.offset <= self._dead_floors.get(place, -1):
            return
        assert one.message is not None
        record, written = record_of(one.message, None), list(map(_encode, one.mapped.events))
        headers, whole = headers_of(
            one.mapped.reason, place, one.offset, self._sources[place], record, written
        )
        value, cut = shortened(one.message.value(), whole)
        self._writer.write(self._topics.dead_letters, value, headers=[*headers, *cut])

    def _mark(self) -> None:
        """Once everything so far is acknowledged, say so in every partition. Raises: BrokerError."""
        self._writer.flush()
        value = tick(self._watermark)
        mark = Mark.of(self._others | self._next, self._end_of_dead())
        headers = [("source", self._settings.name.encode()), ("places", msgspec.json.encode(mark))]
        for partition in range(len(self._floors)):
            self._writer.write(self._topics.events, value, partition=partition, headers=headers)
        self._writer.flush()
        self._unmarked, self._marked_at = 0, time.monotonic()
        self._show()

    def _end_of_dead(self) -> int:
        return kafka.offsets(self._ours, self._topics.dead_letters, 0)[1]

    def _look_for_partitions(self) -> None:
        self._looked_at = time.monotonic()
        fresh = [
            (topic, partition)
            for topic in self._starts
            for partition in range(kafka.partitions_of(self._reader, topic))
            if (topic, partition) not in self._read
        ]
        for place in fresh:
            self._open(place, first_offset(self._reader, place, "earliest"))
        if fresh:
            self._mark()
            self._assign(fresh)

    def _show(self) -> None:
        behind = dict.fromkeys(self._starts, 0)
        for place, offset in self._next.items():
            _, high = self._reader.get_watermark_offsets(TopicPartition(*place), cached=True)
            behind[place[0]] += max(0, high - offset)
        for topic, lag in behind.items():
            _LAG.labels(topic).set(lag)

    def __enter__(self) -> _Ingest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Marks how far it came; after a failure nothing is marked that might not have arrived."""
        if kind is None and self._unmarked:
            self._mark()
        self._reader.close()
        self._ours.close()


def _became(mapped: Mapped) -> str:
    if mapped.reason:
        return "dead"
    return "left_out" if not mapped.events else "mapped"
