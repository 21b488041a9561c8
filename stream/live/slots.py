"""Counts of names by slots of time, the old ones forgotten."""

from __future__ import annotations

from collections import Counter

#: Slots a span is cut into: what is told of it is off by at most one of them.
SLOTS = 30


class Slots:
    """Counts in slots of `span` / SLOTS ms; keeps the newest `SLOTS` and the one before."""

    def __init__(self, span: int) -> None:
        self.width = max(1, span // SLOTS)  # ms
        self._slots: dict[int, Counter[str]] = {}
        self._newest = -1

    def slot(self, at: int) -> int:
        """The slot that a time in ms lies in."""
        return at // self.width

    def add(self, name: str, at: int) -> None:
        """One more of that name at that time, in ms; what is older than all that is kept is passed over."""
        slot = at // self.width
        if slot > self._newest:
            self._newest = slot
            for old in [one for one in self._slots if one < slot - SLOTS]:
                del self._slots[old]
        if slot >= self._newest - SLOTS:
            self._slots.setdefault(slot, Counter())[name] += 1

    def count(self, last: int) -> Counter[str]:
        """By name, the count in the `SLOTS` slots up to `last`, that one included."""
        found: Counter[str] = Counter()
        for slot, counts in self._slots.items():
            if last - SLOTS < slot <= last:
                found.update(counts)
        return found
