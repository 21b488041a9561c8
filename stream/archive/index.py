"""What the topic `archive` says: which part of the store is which period's D_t."""

from __future__ import annotations

from collections.abc import Iterable

from confluent_kafka import Consumer

from stream import kafka
from stream.errors import CorruptRecord
from stream.records import Archived, decode


class Index(dict[int, Archived]):
    """By period the record that counts; records nobody can read are counted and passed over."""

    def __init__(self) -> None:
        super().__init__()
        self.unreadable = 0
        #: Part -> period, of records that counted before users were forgotten.
        self.replaced: dict[str, int] = {}

    def take(self, value: bytes | None) -> None:
        """One record of the topic."""
        try:
            one = decode(Archived, value)
        except CorruptRecord:
            self.unreadable += 1
        else:
            there = self.setdefault(one.period, one)
            if one.forgotten > there.forgotten:
                self[one.period] = one
            self.replaced |= {old.part: old.period for old in (there, one)}
            self.replaced.pop(self[one.period].part, None)

    def behind(self, closed: Iterable[int]) -> int:
        """How many of the closed periods the archiver has still to come to; 0 where none is at work."""
        last = max(self, default=None)
        return 0 if last is None else sum(period > last for period in closed)


class ArchiveLog:
    """The topic, read on when somebody asks for a period that has not been met yet."""

    def __init__(self, topic: str) -> None:
        self._topic, self._index, self._at = topic, Index(), 0

    def of(self, client: Consumer, period: int) -> Archived | None:
        """Where the period's samples were archived; None where they were not.

        Assigns the consumer to the topic. Raises: BrokerError.
        """
        if period not in self._index:
            self.all(client)
        return self._index.get(period)

    def all(self, client: Consumer) -> Index:
        """All that is said up to now. Assigns the consumer to the topic. Raises: BrokerError."""
        if kafka.is_there(client, self._topic):
            low, end = kafka.offsets(client, self._topic, 0)
            for message in kafka.between(client, self._topic, 0, max(self._at, low), end):
                self._index.take(message.value())
            self._at = end
        return self._index
