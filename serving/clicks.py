"""Follows `samples` for what became of the impressions that answers under a canary have logged."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from confluent_kafka import Message

from serving.canary import Arm, Canary, Window, challenger_of, read_marks
from serving.job import Job
from serving.settings import ServingSettings
from stream.errors import CorruptRecord
from stream.kafka import GLANCE, Follower, consumer, offsets
from stream.records import KINDS, Kind
from stream.samples import decode_labels
from stream.topics import Topics

#: Records of `samples`, of up to 4 MB each, that are looked at together.
_BLOCK = 20

_log = logging.getLogger(__name__)


class Clicks:
    """In a thread of its own while the context lasts, from the newest record of each partition on."""

    def __init__(
        self, kafka: Mapping[str, object], topics: Topics, partitions: int, settings: ServingSettings
    ) -> None:
        self._share = settings.canary
        self._windows: dict[Kind, Window] = {kind: Window(kind, settings.canary_window) for kind in KINDS}
        self._arms = self._summed()  # replaced as a whole: another thread reads it
        self._next: dict[int, int] = {}  # partition -> number of the first sample that was not taken
        client = consumer(kafka, wait=100)
        try:
            ends = {one: offsets(client, topics.samples, one) for one in range(partitions)}
        finally:
            client.close()
        places = {(topics.samples, one): max(low, high - 1) for one, (low, high) in ends.items()}
        self._follower = Follower(kafka, places)
        self._job = Job("clicks", self._run)

    def __enter__(self) -> Clicks:
        self._job.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._job.__exit__()

    def canary(self, champion: Kind | None) -> Canary | None:
        """How the model that serves and the other do; None while none serves.

        Raises: BrokerError: Kafka refuses to be read.
        """
        self._job.raise_if_failed()
        if champion is None:
            return None
        arms = self._arms
        return Canary(self._share, (arms[champion], arms[challenger_of(champion)]))

    def _run(self, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                if messages := self._follower.poll(GLANCE, _BLOCK):
                    for message in messages:
                        self._take(message)
                    self._arms = self._summed()
        finally:
            self._follower.close()

    def _take(self, message: Message) -> None:
        if not (value := message.value()):
            return  # windowing has got further, and no sample was decided
        try:
            labels = decode_labels(value)
        except CorruptRecord as error:
            where = f"partition {message.partition()}, offset {message.offset()}"
            _log.warning("the canary passes over a record of samples, %s: %s", where, error)
            return
        # After a crash windowing writes again what it may have written before.
        known = self._next.get(message.partition(), 0)
        self._next[message.partition()] = int(labels.number.max(initial=known - 1)) + 1
        told = read_marks(labels.impression_id)
        new = (labels.number >= known)[told.ours]
        clicked = labels.label[told.ours] == 1
        for kind, window in self._windows.items():
            mine = new & (told.kind == kind[0])
            window.take(told.score[mine], clicked[mine])

    def _summed(self) -> dict[Kind, Arm]:
        return {kind: window.arm() for kind, window in self._windows.items()}
