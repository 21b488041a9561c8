"""When a replay may go on: the clock of event time, and how far the rest of the loop has come. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: At most this many periods may be closed and not served yet: one being trained, one waiting.
UNSERVED = 2

#: The watermark, in ms, while a partition has told none; far enough from the edge of int64 to add to.
_NEVER = -(2**62)


@dataclass(frozen=True, eq=False)
class Clock:
    """Event time that runs `speed` times as fast as the wall clock, from `first` at the time `start`."""

    ts: npt.NDArray[np.int64]  # [n] ms, sorted
    speed: float  # inf: everything is due at once
    start: float  # s, of whatever clock `now` is read from
    first: int = 0  # row that is due at the start

    def due(self, now: float) -> int:
        """The rows due by now are those before the one returned."""
        if np.isinf(self.speed) or self.first >= len(self.ts):
            return len(self.ts)
        reached = self.ts[self.first] + round((now - self.start) * self.speed * 1000)
        return int(np.searchsorted(self.ts, reached, side="right"))

    def wait(self, row: int, now: float) -> float:
        """Seconds until the row is due; 0 where it is."""
        if np.isinf(self.speed):
            return 0.0
        at = self.start + float(self.ts[row] - self.ts[self.first]) / 1000 / self.speed
        return max(0.0, at - now)


@dataclass
class Reached:
    """How far windowing, closing and serving have come, as their topics tell."""

    watermarks: dict[int, int]  # by partition of `samples`; a partition that is absent has none yet
    partitions: int
    closed: int = 0  # the last period closed
    served: int = 0  # the last period the gate has decided on

    @property
    def watermark(self) -> int:
        """The event time, in ms, up to which every partition has been windowed."""
        if len(self.watermarks) < self.partitions:
            return _NEVER
        return min(self.watermarks.values())

    def close(self, periods: Iterable[int]) -> None:
        """These periods were closed."""
        self.closed = max([self.closed, *periods])

    def serve(self, periods: Iterable[int]) -> None:
        """The gate decided on these periods."""
        self.served = max([self.served, *periods])


def may_go_on(reached: Reached, ts: npt.NDArray[np.int64], sent: int, lateness: int, ahead: int) -> bool:
    """Whether a replay that has sent the rows before `sent` may send more.

    Not while `UNSERVED` periods are closed and not served; and not while it is more than `ahead` rows
    before windowing, because periods that windowing has yet to close do not count as closed.
    """
    if reached.closed - reached.served >= UNSERVED:
        return False
    windowed = int(np.searchsorted(ts, reached.watermark + lateness, side="right"))
    return sent - windowed <= ahead
