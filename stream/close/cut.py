"""Where periods end: a cut in Order over the samples of all partitions. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from stream.records import Key
from stream.samples import Samples, hash_of
from stream.window.kernels import NEVER

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Cut:
    """A period that can be closed: its samples are those up to `last`, in Order, of all that were left."""

    reason: Literal["count", "time", "end"]
    last: Key
    count: int
    positives: int
    sha256: str  # over the row hashes in Order, as little-endian uint64
    samples: dict[int, tuple[int, int]]  # partition -> [first number, last + 1), every partition named
    ends: int  # ends of the stream that lie before the cut, or at it


@dataclass(eq=False)
class _Source:
    """What one partition has told."""

    next: int = 0  # number of the next sample that is new
    cut: int = 0  # number of the first sample in no period yet
    watermark: int = NEVER
    ends: int = 0
    held: list[tuple[Samples, int, int]] = field(default_factory=list)  # what lies behind an end


class Cutter:
    """Takes batches of all partitions, in any order between partitions, and cuts them into periods.

    A batch may repeat numbers that were there before, wherever its boundaries fall; one that begins beyond
    the next number is discarded, its watermark included.
    """

    def __init__(
        self,
        partitions: int,
        period_count: int | None,
        period_span: int | None,
        *,
        begin: dict[int, int] | None = None,
        ends: int = 0,
    ) -> None:
        """begin: the first number in no period yet, by partition; ends: ends that were passed already."""
        self.period_count, self.period_span = period_count, period_span
        self.ends = ends
        first = begin or {}
        self._sources = {one: _Source(first.get(one, 0), first.get(one, 0)) for one in range(partitions)}
        self._open: list[tuple[int, Samples]] = []  # (partition, samples) in no period yet

    def next_number(self, partition: int) -> int:
        """Number of the next sample of a partition that would be new."""
        return self._sources[partition].next

    def watermark(self, partition: int) -> int:
        """How far a partition has come, ms; what lies behind an end that others have not met aside."""
        return self._sources[partition].watermark

    def add(self, partition: int, samples: Samples, watermark: int, ends: int) -> None:
        """A batch as it was written: its samples, and what it says of those to come."""
        source = self._sources[partition]
        if source.ends > self.ends:
            source.held.append((samples, watermark, ends))
        elif not len(samples) or samples.number[0] <= source.next:
            known = int(np.searchsorted(samples.number, source.next))
            if known < len(samples):
                source.next = int(samples.number[-1]) + 1
                self._open.append((partition, samples.slice(known, len(samples))))
            source.watermark = max(source.watermark, watermark)
            source.ends = max(source.ends, ends)

    def cuts(self) -> list[Cut]:
        """The periods that can be closed now, oldest first; each is given once."""
        found = self._settle(ended=False)
        while all(source.ends > self.ends for source in self._sources.values()):
            found += self._settle(ended=True)
            self.ends += 1
            for partition, source in self._sources.items():
                held, source.held = source.held, []
                for batch in held:
                    self.add(partition, *batch)
            found += self._settle(ended=False)
        return found

    def _settle(self, ended: bool) -> list[Cut]:
        frontier = min(source.watermark for source in self._sources.values())
        stops = [int(np.searchsorted(one.decided_at, frontier)) for _, one in self._open]
        if not self._may_cut(sum(stops), frontier, ended):
            return []
        # What lies behind the frontier is not touched: much, where some partitions are far ahead of others.
        heads, tails = [], []
        for (place, one), before in zip(self._open, stops, strict=True):
            if before:
                heads.append((place, one.slice(0, before)))
            if before < len(one):
                tails.append((place, one.slice(before, len(one))))
        joint = Samples.concat([samples for _, samples in heads])
        partition = np.concatenate([np.full(len(samples), one) for one, samples in heads])
        order = joint.in_order()
        decided_at, settled = joint.decided_at[order], len(joint)
        found, start = [], 0
        while (stop := self._stop(decided_at, start, settled, frontier)) is not None:
            reason, end = stop
            found.append(self._cut(reason, joint, partition, order[start:end]))
            start = end
        if ended and start < settled:
            found.append(self._cut("end", joint, partition, order[start:settled]))
            start = settled
        self._open = self._kept(joint, partition, np.sort(order[start:])) + tails
        return found

    def _may_cut(self, settled: int, frontier: int, ended: bool) -> bool:
        """Whether a period can end before the frontier, where so many samples lie; right where it says no."""
        if not settled:
            return False
        if ended or (self.period_count is not None and settled >= self.period_count):
            return True
        first = min(int(one.decided_at[0]) for _, one in self._open)
        return self.period_span is not None and frontier >= self._boundary(first)

    def _boundary(self, decided_at: int) -> int:
        assert self.period_span is not None
        return (decided_at // self.period_span + 1) * self.period_span

    def _stop(
        self, decided_at: Ints, start: int, settled: int, frontier: int
    ) -> tuple[Literal["count", "time"], int] | None:
        """Why and where the period that begins at `start` ends; None while it is open."""
        if start >= settled:
            return None
        by_count = start + self.period_count if self.period_count is not None else settled + 1
        if self.period_span is None:
            return ("count", by_count) if by_count <= settled else None
        boundary = self._boundary(int(decided_at[start]))
        by_time = int(np.searchsorted(decided_at[:settled], boundary))
        if by_count <= by_time:
            return "count", by_count
        return ("time", by_time) if frontier >= boundary else None

    def _cut(
        self, reason: Literal["count", "time", "end"], joint: Samples, partition: Ints, rows: Ints
    ) -> Cut:
        counts = np.bincount(partition[rows], minlength=len(self._sources)).tolist()
        samples = {}
        for one, source in self._sources.items():
            samples[one] = (source.cut, source.cut + counts[one])
            source.cut += counts[one]
        last = int(rows[-1])
        key = (
            int(joint.decided_at[last]),
            joint.users[joint.user[last]].as_py(),
            joint.items[joint.item[last]].as_py(),
            joint.impression_id[last].as_py(),
        )
        return Cut(
            reason=reason,
            last=key,
            count=len(rows),
            positives=int(joint.label[rows].sum()),
            sha256=hash_of(joint.row_hash[rows]),
            samples=samples,
            ends=self.ends + (reason == "end"),
        )

    def _kept(self, joint: Samples, partition: Ints, rows: Ints) -> list[tuple[int, Samples]]:
        """These rows by partition; `rows` ascending, so each partition's stay in the order of numbers."""
        return [
            (one, joint.take(mine).compact())
            for one in self._sources
            if len(mine := rows[partition[rows] == one])
        ]


def periods_in(samples: Samples, period_count: int | None, period_span: int | None) -> list[Samples]:
    """The periods that samples in Order make, all of them; the last is closed whatever is missing in it."""
    if not len(samples):
        return []
    cutter = Cutter(1, period_count, period_span)
    numbered = replace(samples, number=np.arange(len(samples)))
    cutter.add(0, numbered, watermark=int(samples.decided_at[-1]) + 1, ends=1)
    spans = [cut.samples[0] for cut in cutter.cuts()]
    return [samples.take(np.arange(start, stop)).compact() for start, stop in spans]
