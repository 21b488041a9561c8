"""Which partitions of `events` stand still because nobody writes, not because nobody can."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stream.window.kernels import NEVER


class Stillness:
    """Which partitions stood still for a while in which Kafka could be written to.

    A partition whose leader died, or a Kafka that stood still, takes nothing for seconds; a tick written
    right after would overtake what producers have queued meanwhile, and make it late. So a partition's rest
    is counted between answers of its leader, and anew where the leader changed (its epoch) or where nothing
    was heard of it for too long: producers always had half of the while, or more, to write.

    After a pause of all, one partition is the first that takes something, and the others are moments behind:
    so they are moved no further than where it was a while ago.
    """

    def __init__(self, partitions: Sequence[int], after: float) -> None:
        """`after`: for how long a partition stands still, in seconds, until it is idle."""
        self._after = after
        self._rests = {one: _Rest() for one in partitions}

    @property
    def apart(self) -> float:
        """Seconds that two answers may be apart, and so what a change of leaders may hide in."""
        return max(self._after / 2, 2.0)

    def moved(self, partition: int, watermark: int, now: float) -> None:
        """The partition's watermark (ms) rose, by events or by a tick."""
        rest = self._rests[partition]
        if watermark != rest.ticked:  # a tick for its idleness ends no rest
            rest.since = now
        rest.marks.append((now, watermark))
        while len(rest.marks) > 1 and now - rest.marks[1][0] >= self._after:
            rest.marks.popleft()

    def ticked(self, partition: int, watermark: int) -> None:
        """A tick of that watermark (ms) was written, which is on its way."""
        self._rests[partition].ticked = watermark

    def past(self, partition: int, now: float) -> int:
        """The partition's watermark (ms) as it was a while ago; NEVER where it had none."""
        then = (mark for at, mark in reversed(self._rests[partition].marks) if now - at >= self._after)
        return next(then, NEVER)

    def answered(self, epochs: Mapping[int, int], now: float) -> None:
        """By partition the epoch of the leader that answered; partitions without an answer are left out."""
        for partition, epoch in epochs.items():
            rest = self._rests[partition]
            if epoch != rest.epoch or now - rest.answered_at > self.apart:
                rest.since, rest.epoch = now, epoch
            rest.answered_at = now

    def idle(self, now: float, times: int = 1) -> list[int]:
        """The partitions that stand still for long enough, or that many times as long.

        None of which nothing is known.
        """
        return [
            one
            for one, rest in self._rests.items()
            if now - rest.answered_at <= self.apart and now - rest.since >= times * self._after
        ]


@dataclass
class _Rest:
    """A partition's rest as far as it is sure; times are seconds of one clock."""

    epoch: int = -1
    ticked: int = NEVER  # the last tick's watermark, ms
    answered_at: float = float("-inf")
    since: float = float("inf")
    marks: deque[tuple[float, int]] = field(default_factory=deque)  # when the watermark became which, ms
