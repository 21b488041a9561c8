"""What was shown goes back into the log: impressions of the answers that asked for it."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

import msgspec
import pyarrow as pa

from stream.errors import BrokerError
from stream.kafka import Writer
from stream.replay.encode import partition_of

#: Answers that may wait for Kafka; with as many waiting, no more are logged.
WAITING = 4096

_log = logging.getLogger(__name__)


class Impression(msgspec.Struct, frozen=True, kw_only=True, tag="impression", tag_field="type"):
    """One item shown to one user, as `events` holds it."""

    impression_id: str
    user_id: str
    item_id: str
    categories: Sequence[str]
    ts: int  # ms of event time
    model_version: int


@dataclass(frozen=True)
class Shown:
    """One answer: the items a user saw, best first."""

    user: str
    items: Sequence[str]
    categories: Sequence[Sequence[str]]  # of each item
    ts: int  # ms of event time
    version: int
    marks: Sequence[str] | None = None  # of each item, what its id ends with (serving/canary.py)

    def impressions(self) -> list[Impression]:
        """An impression per item, with ids that nothing else has."""
        answer = uuid4().hex
        ends = self.marks or [""] * len(self.items)
        return [
            Impression(
                impression_id=f"{answer}-{place}{end}",
                user_id=self.user,
                item_id=item,
                categories=categories,
                ts=self.ts,
                model_version=self.version,
            )
            for place, (item, categories, end) in enumerate(
                zip(self.items, self.categories, ends, strict=True)
            )
        ]


class ImpressionLog:
    """Writes impressions from a thread of its own, so that no answer waits for Kafka.

    One that Kafka does not take in `stream.kafka.PATIENCE` seconds is lost, counted and logged; the next are
    tried again.
    """

    def __init__(self, kafka: Mapping[str, object], topic: str, partitions: int) -> None:
        self._kafka, self._topic, self._partitions = kafka, topic, partitions
        self._writer = Writer(kafka)
        self._written = self._lost = 0
        self._told = (0, 0)
        self._waiting: queue.Queue[list[Impression] | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name="impressions", daemon=True)
        self._thread.start()

    def add(self, impressions: list[Impression]) -> bool:
        """Whether the impressions of one answer will be written: False where too many wait already."""
        try:
            self._waiting.put_nowait(impressions)
        except queue.Full:
            return False
        return True

    def counted(self) -> tuple[int, int]:
        """Impressions that Kafka has taken, and those that it did not, since this was last asked."""
        before, self._told = self._told, (self._written, self._lost)
        return self._told[0] - before[0], self._told[1] - before[1]

    def close(self) -> None:
        """Write what waits, then end."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        going = True
        while going:
            batch = [self._waiting.get()]
            while not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            going = None not in batch
            self._write([one for each in batch if each for one in each])

    def _write(self, impressions: list[Impression]) -> None:
        if not impressions:
            return
        users = [one.user_id for one in impressions]
        places = partition_of(pa.array(users, pa.string()), self._partitions).tolist()
        try:
            for one, user, place in zip(impressions, users, places, strict=True):
                self._writer.write(self._topic, msgspec.json.encode(one), key=user.encode(), partition=place)
            self._writer.flush()
            self._written += len(impressions)
        except BrokerError as error:
            self._lost += len(impressions)
            _log.error("up to %d impressions are lost: %s", len(impressions), error)
            self._writer = Writer(self._kafka)
