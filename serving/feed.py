"""What requests need of the stream itself: histories, its time, and how many events there are."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping

from serving import metrics
from serving.histories import Histories
from serving.state import Events
from stream.errors import BrokerError
from stream.kafka import GLANCE, Follower, consumer, header, offsets
from stream.settings import StreamSettings
from stream.topics import Topics

#: Seconds between two looks at how many events there are, and looks over which their rate is taken.
EVERY, LOOKS = 1.0, 4
#: Histories taken before anything else is looked at.
_BLOCK = 2000


class Feed:
    """Follows `histories` from its beginning and, where asked, the time of `samples` from near its end."""

    def __init__(
        self,
        kafka: Mapping[str, object],
        topics: Topics,
        stream: StreamSettings,
        histories: Histories,
        with_time: bool,
    ) -> None:
        self.events = Events()
        self._topics, self._partitions, self._lateness = topics, range(stream.partitions), stream.lateness
        self._histories = histories
        self._watermark: int | None = None
        self._looks: deque[tuple[float, int]] = deque(maxlen=LOOKS)
        self._client = consumer(kafka, wait=100)
        places = {(topics.histories, one): self._span(topics.histories, one)[0] for one in self._partitions}
        if with_time:
            for one in self._partitions:
                low, high = self._span(topics.samples, one)
                places[topics.samples, one] = max(low, high - 1)
        self._follower = Follower(kafka, places)

    def now(self) -> int | None:
        """The stream's time in ms: the largest event time met so far; None before the first sample."""
        return None if self._watermark is None else self._watermark + self._lateness

    def run(self, stop: threading.Event) -> None:
        """Follow until `stop` is set. Raises: BrokerError: Kafka refuses to be read."""
        try:
            while not stop.is_set():
                for message in self._follower.poll(GLANCE, _BLOCK):
                    if message.topic() == self._topics.histories:
                        self._histories.take(message.key(), message.value())
                    else:
                        self._take_time(header(message, "watermark"))
                metrics.HISTORIES.set(len(self._histories))
                self._count()
        finally:
            self._follower.close()
            self._client.close()

    def _take_time(self, watermark: bytes | None) -> None:
        if watermark is not None and watermark.removeprefix(b"-").isdigit():
            time_there = int(watermark)
            self._watermark = time_there if self._watermark is None else max(self._watermark, time_there)

    def _count(self) -> None:
        moment = time.monotonic()
        if self._looks and moment - self._looks[-1][0] < EVERY:
            return
        try:
            total = sum(self._span(self._topics.events, one)[1] for one in self._partitions)
        except BrokerError:
            return  # the count stands still while Kafka is away; rankings do not need it
        self._looks.append((moment, total))
        began, before = self._looks[0]
        rate = (total - before) / (moment - began) if moment > began else 0.0
        self.events = Events(total, round(rate, 1))

    def _span(self, topic: str, partition: int) -> tuple[int, int]:
        return offsets(self._client, topic, partition)
