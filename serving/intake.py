"""How much the stream is given, how much of it waits to be windowed, and whether Kafka answers at all."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping

from serving.state import Events
from stream.errors import BrokerError, CorruptRecord
from stream.kafka import Ends, consumer
from stream.positions import positions
from stream.topics import Topics

#: Seconds between two looks, and looks over which the rate of events is taken.
EVERY, LOOKS = 1.0, 4
#: Looks between two questions of how far windowing is: its last batches are read for that.
_SELDOM = 3


class Intake:
    """Looked at again and again, which waits for nobody; while Kafka is away all stays as it was."""

    def __init__(self, kafka: Mapping[str, object], topics: Topics, partitions: int) -> None:
        self.events = Events()
        self.waiting = 0  # records of `events` that windowing has not taken
        self._client, self._topics = consumer(kafka, wait=100), topics
        self._ends = Ends(kafka, topics.events, partitions, EVERY)
        self._partitions = partitions
        self._looks: deque[tuple[float, int]] = deque(maxlen=LOOKS)
        self._answers = 0
        self._answered_at = self._looked_at = time.monotonic()

    @property
    def silent(self) -> float:
        """Seconds since Kafka last answered."""
        return time.monotonic() - self._answered_at

    def look(self) -> bool:
        """Whether another `EVERY` seconds are over."""
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

    def close(self) -> None:
        """Leave."""
        self._client.close()

    def _take(self, moment: float, total: int) -> None:
        self._answered_at = moment
        self._looks.append((moment, total))
        began, before = self._looks[0]
        rate = (total - before) / (moment - began) if moment > began else 0.0
        self.events = Events(total, round(rate, 1))
        if self._answers % _SELDOM == 0:
            try:
                windowed = positions(self._client, self._topics).values()
                self.waiting = sum(position.waiting for position in windowed)
            except (BrokerError, CorruptRecord):
                pass  # it is asked again
        self._answers += 1
