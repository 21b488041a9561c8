"""The lines over time: a moment a second, the older ones thinned out, so that a long run stays small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from serving.state import Moment, Taken

#: Moments and periods kept at most; swaps as well.
KEPT = 720

One = TypeVar("One")


class Moments:
    """What the last hours were like: the last minutes second by second, what is older ever more coarsely."""

    def __init__(self) -> None:
        self.all: Sequence[Moment] = ()
        self.swaps: Sequence[Taken] = ()

    def add(self, moment: Moment) -> None:
        """One more second."""
        self.all = thinned([*self.all, moment], KEPT)
        oldest = self.all[0].at
        self.swaps = [one for one in self.swaps if one.at >= oldest]

    def mark(self, taken: Taken) -> None:
        """A model was taken into service."""
        self.swaps = [*self.swaps, taken][-KEPT:]


def thinned(of: Sequence[One], most: int) -> list[One]:
    """`of` as it is up to `most`; beyond, every second of its older half goes, as often as need be."""
    left = list(of)
    while len(left) > most:
        half = len(left) // 2
        left = left[:half:2] + left[half:]
    return left
