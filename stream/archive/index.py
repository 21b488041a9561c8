"""What the topic `archive` says: which part of the store is which period's D_t; the first of each counts."""

from __future__ import annotations

from confluent_kafka import Consumer

from stream import kafka
from stream.errors import CorruptRecord
from stream.records import Archived, decode


class Index(dict[int, Archived]):
    """By period; records nobody can read are counted and passed over."""

    unreadable = 0

    def take(self, value: bytes | None) -> None:
        """One record of the topic."""
        try:
            one = decode(Archived, value)
        except CorruptRecord:
            self.unreadable += 1
        else:
            self.setdefault(one.period, one)


class ArchiveLog:
    """The topic, read on when somebody asks for a period that has not been met yet."""

    def __init__(self, topic: str) -> None:
        self._topic, self._index, self._at = topic, Index(), 0

    def of(self, client: Consumer, period: int) -> Archived | None:
        """Where the period's samples were archived; None where they were not.

        Assigns the consumer to the topic. Raises: BrokerError.
        """
        if period not in self._index and kafka.is_there(client, self._topic):
            low, end = kafka.offsets(client, self._topic, 0)
            for message in kafka.between(client, self._topic, 0, max(self._at, low), end):
                self._index.take(message.value())
            self._at = end
        return self._index.get(period)
