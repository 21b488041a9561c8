"""How much the stream is given, how much of it waits to be windowed, and whether Kafka answers at all."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Mapping

from serving.job import Job
from serving.state import Events
from stream.errors import BrokerError, CorruptRecord
from stream.kafka import Ends, consumer
from stream.positions import positions
from stream.topics import Topics

#: Seconds between two looks, and looks over which the rate of events is taken.
EVERY, LOOKS = 1.0, 4
#: Seconds between two questions of how far windowing is: its last batches are read for that.
SELDOM = 3.0


class Intake:
    """Looked at again and again, which waits for nobody; while Kafka is away all stays as it was.

    How far windowing is, is asked in a thread of its own while the context lasts: a Kafka that takes
    questions and does not answer keeps whoever asks for long.
    """

    def __init__(self, kafka: Mapping[str, object], topics: Topics, partitions: int) -> None:
        self.events = Events()
        self.waiting = 0  # records of `events` that windowing has not taken
        self._kafka, self._topics = kafka, topics
        self._ends = Ends(kafka, topics.events, partitions, EVERY)
        self._partitions = partitions
        self._looks: deque[tuple[float, int]] = deque(maxlen=LOOKS)
        self._answered_at = self._looked_at = time.monotonic()
        self._job = Job("intake", self._ask)

    def __enter__(self) -> Intake:
        self._job.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._job.__exit__()

    @property
    def silent(self) -> float:
        """Seconds since Kafka last answered."""
        return time.monotonic() - self._answered_at

    def look(self) -> bool:
        """Whether another `EVERY` seconds are over. Raises: what ended the thread."""
        self._job.raise_if_failed()
        try:
            ends = self._ends.answer()
        except BrokerError:
            ends = {}
        moment = time.monotonic()
        if len(ends) == self._partitions:
            self._take(moment, sum(end.offset for end in ends.values()))
        if moment - self._looked_at < EVERY:
            return False
        self._looked_at = moment
        return True

    def _take(self, moment: float, total: int) -> None:
        self._answered_at = moment
        self._looks.append((moment, total))
        began, before = self._looks[0]
        rate = (total - before) / (moment - began) if moment > began else 0.0
        self.events = Events(total, round(rate, 1))

    def _ask(self, stop: threading.Event) -> None:
        client = consumer(self._kafka, wait=100)
        try:
            while not stop.is_set():
                with contextlib.suppress(BrokerError, CorruptRecord):  # it is asked again
                    self.waiting = sum(one.waiting for one in positions(client, self._topics).values())
                stop.wait(SELDOM)
        finally:
            client.close()
