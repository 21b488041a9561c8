"""The archiver: puts D_t of every period that closes into the store, and says in `archive` where it is.

What dies when, and what becomes of it:

| killed                                | found at the next start      | then                               |
|---------------------------------------|------------------------------|------------------------------------|
| before the part is in the store       | no record of period t        | t is read and put again, same part |
| with the part, before the record      | the same                     | the same, harmlessly; then told    |
| after the record                      | it                           | the worker goes on with t + 1      |
| while another archiver is at work     | whichever record came first  | both put the same part             |
| the store lost parts of periods past  | records without their parts  | put again where Kafka has the rows |

A period that Kafka has forgotten before it was archived is named, counted and passed over: those after it can
still be kept. Nothing waits for the archiver, and it deletes nothing from Kafka.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import closing

from confluent_kafka import Message
from prometheus_client import Counter, Gauge

from stream import kafka
from stream.archive.index import Index
from stream.archive.rows import table_of
from stream.close.manifests import Manifests
from stream.close.read import PeriodReader
from stream.errors import CorruptRecord, GapError
from stream.forgotten import nobodys
from stream.log import of
from stream.metrics import metrics_on
from stream.niceness import ACCOMPANIES, stand_back
from stream.records import Archived, Manifest, decode, encode, now
from stream.store import Store, name_of
from stream.topics import Topics

_PERIOD = Gauge("asmg_archive_period", "Last period that the archiver has come to")
_ROWS = Counter("asmg_archive_rows", "Samples put into the archive by this process")
_GONE = Gauge("asmg_archive_gone", "Periods that Kafka had forgotten before they were archived")
_UNREADABLE = Counter("asmg_archive_unreadable", "Records of periods or the archive that nobody can read")

_log = logging.getLogger(__name__)


def archive(
    broker: Mapping[str, object],
    topics: Topics,
    store: Store,
    metrics_port: int,
    stop: threading.Event,
) -> None:
    """Archive period after period until `stop` is set. Raises: BrokerError; StoreError."""
    stand_back(ACCOMPANIES)
    writer, reader = kafka.Writer(broker), PeriodReader(broker, topics)
    log = _Log(broker, topics)
    with closing(reader), closing(log), metrics_on(metrics_port, "stream.archive_metrics_port"):
        log.read_until(lambda: log.caught_up, stop)
        gone: set[int] = set()
        for period, record in sorted(log.archived.items()):
            manifest = log.manifests[period] if period < len(log.manifests) else None
            if manifest is not None and not stop.is_set() and not store.has(record.part):
                _put(reader, store, manifest, gone, record.part)
        period = -1
        while log.read_until(lambda: len(log.manifests) > period + 1, stop):  # noqa: B023 asked at once
            period += 1
            manifest = log.manifests[period]
            if not manifest.has_samples:
                continue
            if period not in log.archived and (made := _put(reader, store, manifest, gone)):
                writer.write(topics.archive, encode(made), key=str(period).encode())
                writer.flush()
                if not log.read_until(lambda: period in log.archived, stop):  # noqa: B023
                    return
                _log.info("period %d: %d samples archived", period, made.rows, extra=of(period))
            _PERIOD.set(period)


def _put(
    reader: PeriodReader, store: Store, manifest: Manifest, gone: set[int], wanted: str | None = None
) -> Archived | None:
    """D_t from Kafka into the store; None where Kafka has it no more, which is told.

    wanted: the part it must come to; of users whom the archive has forgotten since Kafka may have samples.
    """
    try:
        samples = reader(manifest)
        table = table_of(samples)
        if wanted is not None and name_of(table) != wanted:
            raise CorruptRecord(
                "what Kafka has of it is not what was archived: restore the part from a backup"
            )
    except (GapError, CorruptRecord) as error:
        gone.add(manifest.period)
        _GONE.set(len(gone))
        _log.error("period %d cannot be archived: %s", manifest.period, error, extra=of(manifest.period))
        return None
    part, forgotten = store.put(table), nobodys(samples)
    _ROWS.inc(len(samples))
    period, rows = manifest.period, len(samples)
    return Archived(period=period, part=part, rows=rows, forgotten=forgotten, archived_at=now())


class _Log:
    """The topics `periods` and `archive`, followed from their beginning."""

    def __init__(self, broker: Mapping[str, object], topics: Topics) -> None:
        self.manifests, self.archived = Manifests(), Index()
        self._topics = topics
        self._follower = kafka.Follower(broker, {(topics.periods, 0): 0, (topics.archive, 0): 0})

    @property
    def caught_up(self) -> bool:
        return self._follower.caught_up

    def read_until(self, holds: Callable[[], bool], stop: threading.Event) -> bool:
        """Reads on until the condition holds; False when stopped before. Raises: BrokerError."""
        while not stop.is_set():
            if holds():
                return True
            for message in self._follower.poll(kafka.GLANCE):
                self._take(message)
        return False

    def close(self) -> None:
        self._follower.close()

    def _take(self, message: Message) -> None:
        before = self.archived.unreadable
        if message.topic() == self._topics.archive:
            self.archived.take(message.value())
        else:
            try:
                self.manifests.take(decode(Manifest, message.value()))
            except CorruptRecord:
                _UNREADABLE.inc()
        _UNREADABLE.inc(self.archived.unreadable - before)
