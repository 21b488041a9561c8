"""What requests came to: counted where they are answered, summed up where all of it comes together."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable

import numpy as np

from serving.state import Requests

#: Seconds over which rate and percentiles are taken.
WINDOW = 10.0


class Tally:
    """In one process: counted by the thread that answers, told by another."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.seconds: list[float] = []
        self.unknown: Counter[str] = Counter()  # users, items
        self._told: tuple[Counter[int], Counter[str]] = Counter(), Counter()

    def news(self) -> tuple[Counter[int], list[float], Counter[str]]:
        """Statuses, seconds and unknown ids since this was last asked."""
        seconds = self.seconds[:]
        del self.seconds[: len(seconds)]
        before, self._told = self._told, (Counter(self.statuses), Counter(self.unknown))
        return self._told[0] - before[0], seconds, self._told[1] - before[1]


class Sums:
    """Over all processes: since the start, and over the last seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began = clock, clock()
        self._total = self._refused = 0
        self._last: deque[tuple[float, int, list[float]]] = (
            deque()
        )  # when, requests, seconds of those answered

    def add(self, statuses: dict[int, int], seconds: list[float]) -> None:
        """One report."""
        requests = sum(statuses.values())
        self._total += requests
        self._refused += statuses.get(429, 0)
        if requests:
            self._last.append((self._clock(), requests, seconds))

    def requests(self, window: float = WINDOW) -> Requests:
        """How many, how often and how fast over the last `window` seconds, at most `WINDOW`."""
        now = self._clock()
        while self._last and self._last[0][0] <= now - WINDOW:
            self._last.popleft()
        lately = [(requests, seconds) for when, requests, seconds in self._last if when > now - window]
        times = np.array([one for _, seconds in lately for one in seconds])
        span = min(window, max(now - self._began, 1.0))
        p50, p99 = np.percentile(times, [50, 99]) * 1000 if len(times) else (None, None)
        return Requests(
            total=self._total,
            per_second=round(sum(requests for requests, _ in lately) / span, 1),
            p50_ms=None if p50 is None else round(float(p50), 3),
            p99_ms=None if p99 is None else round(float(p99), 3),
            refused=self._refused,
        )
