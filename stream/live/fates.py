"""What became of events (used, late, delayed, duplicate, dead): since the start, and in a period."""

from __future__ import annotations

from collections import Counter

from stream.close.batches import Reached
from stream.records import Manifest


class Fates:
    """The newest counts that each partition's samples came with; each is since the partition's start."""

    def __init__(self) -> None:
        self._reached: dict[int, Reached] = {}

    def take(self, partition: int, reached: Reached) -> None:
        """What a record of `samples` says; that of a zombie, or one read twice, changes nothing."""
        known = self._reached.get(partition)
        if known is None or reached.offset >= known.offset:
            self._reached[partition] = reached

    @property
    def counts(self) -> dict[str, int]:
        """Fate -> events of all partitions since the start."""
        found: Counter[str] = Counter()
        for one in self._reached.values():
            found.update(one.counts)
        return dict(found)


def of_period(before: Manifest, manifest: Manifest) -> dict[str, int]:
    """Fate -> events from one manifest to the next, as windowing had counted when each was written.

    `pending` is how many more wait than before, and may be negative.
    """
    return {fate: count - before.counts.get(fate, 0) for fate, count in manifest.counts.items()}
