"""What requests need of the stream itself: histories, and its time."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from serving.histories import Histories
from stream.kafka import GLANCE, Follower, consumer, header, offsets
from stream.settings import StreamSettings
from stream.topics import Topics

#: Histories taken before anything else is looked at.
_BLOCK = 500


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
        self.behind = 0  # records of `histories` that are there and not taken yet
        self._topics, self._lateness = topics, stream.lateness
        self._histories = histories
        self._watermark: int | None = None
        client = consumer(kafka, wait=100)
        try:
            partitions = range(stream.partitions)
            places = {
                (topics.histories, one): offsets(client, topics.histories, one)[0] for one in partitions
            }
            if with_time:
                for one in partitions:
                    low, high = offsets(client, topics.samples, one)
                    places[topics.samples, one] = max(low, high - 1)
        finally:
            client.close()
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
                self.behind = self._follower.behind(self._topics.histories)
        finally:
            self._follower.close()

    def _take_time(self, watermark: bytes | None) -> None:
        if watermark is not None and watermark.removeprefix(b"-").isdigit():
            time_there = int(watermark)
            self._watermark = time_there if self._watermark is None else max(self._watermark, time_there)
