"""What replays have done so far, as they write it among the dead letters themselves. Pure.

`begin` says where `events` ended before anything was written; `done` which letters are in it, once that is
acknowledged; `end` that nothing is in it behind a `begin` of which no `done` tells. So where no `end` follows
a `begin`, a replay has died, and what it had written is found in `events` behind the place that it named.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from stream.errors import CorruptRecord

#: The header that tells a mark from a letter.
HEADER = "replay"
BEGIN, DONE, END = b"begin", b"done", b"end"

#: Ranges of letters in one mark.
RANGES = 10_000


class Begin(Struct, frozen=True):
    """Before events are written."""

    ends: dict[int, int]  # partition of `events` -> where it ended


class Done(Struct, frozen=True):
    """Of these letters all is in `events`, or nothing needs to be."""

    letters: list[tuple[int, int]]  # [first, last + 1) offsets among the dead letters


class Replayed:
    """What all marks together say."""

    def __init__(self) -> None:
        self._done: list[tuple[int, int]] = []
        self._sorted: list[tuple[int, int]] | None = []
        self.open: dict[int, int] = {}  # partition of `events` -> from where replays that died have written

    def take(self, kind: bytes, value: bytes | None) -> None:
        """The next mark. Raises: CorruptRecord: it is none."""
        try:
            if kind == BEGIN:
                for partition, end in msgspec.json.decode(value or b"", type=Begin).ends.items():
                    self.open[partition] = min(end, self.open.get(partition, end))
            elif kind == DONE:
                self._done += msgspec.json.decode(value or b"", type=Done).letters
                self._sorted = None
            elif kind == END:
                self.open = {}
            else:
                raise CorruptRecord(f"a mark among the dead letters is called {kind!r}")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CorruptRecord(f"a mark among the dead letters cannot be read: {error}") from error

    def holds(self, number: int) -> bool:
        """Whether that letter is done."""
        if self._sorted is None:
            self._sorted = list(joined(self._done))
        place = bisect_right(self._sorted, (number, 2**63)) - 1
        return place >= 0 and number < self._sorted[place][1]


def done_marks(numbers: Iterable[int]) -> Iterator[bytes]:
    """The values of the marks that say these letters are done."""
    ranges = list(joined((one, one + 1) for one in numbers))
    for first in range(0, len(ranges), RANGES):
        yield msgspec.json.encode(Done(ranges[first : first + RANGES]))


def joined(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The same numbers in as few ranges as there can be, in order."""
    first = last = -1
    for begin, end in sorted(ranges):
        if begin > last:
            if first >= 0:
                yield first, last
            first = begin
        last = max(last, end)
    if first >= 0:
        yield first, last
