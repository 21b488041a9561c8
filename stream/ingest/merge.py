"""The records of several partitions, those of whichever is behind first. Pure."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

Place = TypeVar("Place", bound=Hashable)
Item = TypeVar("Item")

#: A partition of which nothing was read yet is behind all others.
NEVER = -1


class Merge(Generic[Place, Item]):
    """Takes each partition's records in their order, and gives them by time.

    A partition's time is the largest of its records so far: it never falls. Nothing is given while a
    partition that has more has nothing here, for that may be older.
    """

    def __init__(self, places: Iterable[Place] = ()) -> None:
        self._waiting: dict[Place, deque[tuple[int, Item]]] = {}
        self._time: dict[Place, int] = {}
        self._at_end: set[Place] = set()
        for place in places:
            self.open(place)

    def open(self, place: Place) -> None:
        """One more partition, of which nothing was read yet."""
        self._waiting[place] = deque()
        self._time[place] = NEVER

    def add(self, place: Place, time: int, item: Item) -> None:
        """The partition's next record; time: NEVER where the record has none."""
        now = self._time[place] = max(self._time[place], time)
        self._waiting[place].append((now, item))
        self._at_end.discard(place)

    def end(self, place: Place) -> None:
        """The partition has no more for now."""
        self._at_end.add(place)

    def waiting(self, place: Place) -> int:
        """Records of the partition that were read and not given yet."""
        return len(self._waiting[place])

    def empty(self) -> list[Place]:
        """The partitions with nothing here, of which it is not known that they are at their end."""
        return [
            place for place, waiting in self._waiting.items() if not waiting and place not in self._at_end
        ]

    def take(self, limit: int) -> list[tuple[Place, int, Item]]:
        """Up to so many (partition, its time, record), the ones behind first."""
        taken: list[tuple[Place, int, Item]] = []
        if self.empty():
            return taken
        places = list(self._waiting)
        heads = [(waiting[0][0], n) for n, one in enumerate(places) if (waiting := self._waiting[one])]
        heapq.heapify(heads)
        while heads and len(taken) < limit:
            time, number = heads[0]
            place = places[number]
            waiting = self._waiting[place]
            taken.append((place, time, waiting.popleft()[1]))
            if waiting:
                heapq.heapreplace(heads, (waiting[0][0], number))
            else:
                heapq.heappop(heads)
                if place not in self._at_end:
                    break
        return taken
