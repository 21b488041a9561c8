"""Requests in line: as many as can be answered in time, and no more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from serving.request import BadRequest

#: What a new time of a request weighs in the mean of them.
_WEIGHT = 0.05


@dataclass(frozen=True)
class Pause:
    """What a request yields that has to wait for something: others have their turns for so long."""

    seconds: float


class Turn:
    """One request's time to compute. timeout: seconds from now that the caller waits; None: for ever."""

    def __init__(self, timeout: float | None) -> None:
        self.away = 0.0  # seconds that others have had in between
        self._timeout, self._came = timeout, time.monotonic()

    def require_time(self, before: str) -> None:
        """Raises: BadRequest: 504, nobody waits for the answer any more."""
        if self._timeout is not None and time.monotonic() - self._came >= self._timeout:
            line = f"the {1000 * self._timeout:.0f} ms the caller would wait were over before {before}"
            raise BadRequest(504, line)

    async def give_way(self, seconds: float = 0.0) -> None:
        """Let others have their turns for so long, then go on."""
        began = time.monotonic()
        await asyncio.sleep(seconds)
        self.away += time.monotonic() - began


class Line:
    """The requests that are being answered, all on one thread.

    A request is let in where those before it, each taking as long as they took lately, leave it a turn within
    `patience` seconds; otherwise its caller is told to come back, long before everybody waits for ever.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._inside = 0
        self._mean = 0.0  # seconds of computing that a request takes

    @property
    def wait(self) -> float:
        """Seconds that a request which comes now will wait."""
        return self._inside * self._mean

    @asynccontextmanager
    async def turn(self, timeout: float | None = None) -> AsyncIterator[Turn]:
        """Computing goes on within. timeout: seconds from now after which nobody waits for the answer.

        Raises: BadRequest: 429, too many wait; 504, its time is over before its turn.
        """
        if (wait := self.wait) > self._patience:
            raise BadRequest(
                429, f"{self._inside} requests wait already, {1000 * wait:.0f} ms of work; ask again soon"
            )
        mine = Turn(timeout)
        self._inside += 1
        try:
            # Whoever has come by now is counted before the first of them computes.
            await asyncio.sleep(0)
            mine.require_time("its turn")
            began = time.monotonic()
            yield mine
            self._mean += _WEIGHT * (time.monotonic() - began - mine.away - self._mean)
        finally:
            self._inside -= 1
