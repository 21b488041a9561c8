"""How much the stream is given, and how much of it waits to be windowed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping

from serving.state import Events
from stream.errors import BrokerError, CorruptRecord
from stream.kafka import consumer, offsets
from stream.positions import positions
from stream.topics import Topics

#: Seconds between two looks, and looks over which the rate of events is taken.
EVERY, LOOKS = 1.0, 4
#: Looks between two questions of how far windowing is: its last batches are read for that.
_SELDOM = 3


class Intake:
    """Looked at again and again; what cannot be learnt while Kafka is away stays as it was."""

    def __init__(self, kafka: Mapping[str, object], topics: Topics, partitions: int) -> None:
        self.events = Events()
        self.waiting = 0  # records of `events` that windowing has not taken
        self._client, self._topics, self._partitions = consumer(kafka, wait=100), topics, range(partitions)
        self._looks: deque[tuple[float, int]] = deque(maxlen=LOOKS)
        self._taken = 0

    def look(self) -> bool:
        """Whether it was time to look again, and the figures are new."""
        moment = time.monotonic()
        if self._looks and moment - self._looks[-1][0] < EVERY:
            return False
        try:
            total = sum(offsets(self._client, self._topics.events, one)[1] for one in self._partitions)
            if self._taken % _SELDOM == 0:
                windowed = positions(self._client, self._topics).values()
                self.waiting = sum(position.waiting for position in windowed)
            self._taken += 1
        except (BrokerError, CorruptRecord):
            total = self.events.total
        self._looks.append((moment, total))
        began, before = self._looks[0]
        rate = (total - before) / (moment - began) if moment > began else 0.0
        self.events = Events(total, round(rate, 1))
        return True

    def close(self) -> None:
        """Leave."""
        self._client.close()
