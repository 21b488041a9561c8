"""Closing as plainly as it can be said, and batches of samples as windowers and zombies write them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from stream.close.cut import Cut, Cutter
from stream.samples import Samples

#: The watermark of a partition that has told none.
BEFORE_ALL = -(2**62)


class One(NamedTuple):
    """A sample as far as closing looks at it."""

    number: int
    decided_at: int
    user: str
    item: str = "i"
    impression_id: str = ""
    label: int = 0

    def key(self) -> tuple[int, str, str, str]:
        return self.decided_at, self.user, self.item, self.impression_id

    def order(self) -> tuple[int, bytes, bytes, bytes]:
        return self.decided_at, self.user.encode(), self.item.encode(), self.impression_id.encode()

    def row_hash(self) -> int:
        """Stands for the real one: a function of the content, its number excluded."""
        return int.from_bytes(hashlib.sha256(repr(self[1:]).encode()).digest()[:8], "little")


class Batch(NamedTuple):
    """What a windower writes at the end of a step."""

    samples: Sequence[One]
    watermark: int
    ends: int = 0


class Closed(NamedTuple):
    """A period, as the tests compare it."""

    reason: str
    last: tuple[int, str, str, str]
    count: int
    positives: int
    sha256: str
    samples: dict[int, tuple[int, int]]


def samples_of(ones: Sequence[One]) -> Samples:
    """These as columns."""
    n = len(ones)
    none = np.zeros(0, np.int32)

    def coded(strings: list[str]) -> tuple[np.ndarray, pa.StringArray]:
        known = sorted(set(strings), reverse=True)  # so that codes are in no useful order
        return np.array([known.index(one) for one in strings], np.int32), pa.array(known, pa.string())

    user, users = coded([one.user for one in ones])
    item, items = coded([one.item for one in ones])
    return Samples(
        number=np.array([one.number for one in ones], np.int64),
        decided_at=np.array([one.decided_at for one in ones], np.int64),
        user=user,
        item=item,
        impression_id=pa.array([one.impression_id for one in ones], pa.string()),
        category_offsets=np.zeros(n + 1, np.int64),
        category=none,
        history_offsets=np.zeros(n + 1, np.int64),
        history=none,
        label=np.array([one.label for one in ones], np.int8),
        row_hash=np.array([one.row_hash() for one in ones], np.uint64),
        users=users,
        items=items,
        categories=pa.array([], pa.string()),
    )


def add(cutter: Cutter, partition: int, batch: Batch) -> None:
    """Hands it the batch."""
    cutter.add(partition, samples_of(batch.samples), batch.watermark, batch.ends)


def closed(cuts: Sequence[Cut]) -> list[Closed]:
    """The cuts; a partition of which a period holds no sample is left out."""
    return [
        Closed(
            cut.reason,
            tuple(cut.last),
            cut.count,
            cut.positives,
            cut.sha256,
            {int(name): tuple(span) for name, span in cut.samples.items() if span[0] < span[1]},
        )
        for cut in cuts
    ]


@dataclass
class CutOracle:
    """All batches of every partition, each number once, lie before it at once."""

    logs: Sequence[Sequence[Batch]]
    count: int | None
    span: int | None

    def cuts(self) -> list[Closed]:
        """Every period that can be closed."""
        self.closed: list[Closed] = []
        self.open: list[tuple[int, One]] = []
        waiting: list[tuple[int, One]] = []
        end = 0
        while True:
            end += 1
            inside = [[batch for batch in log if behind(log, batch) < end] for log in self.logs]
            before = [[batch for batch in log if behind(log, batch) < end - 1] for log in self.logs]
            waiting += [
                (partition, one)
                for partition, log in enumerate(inside)
                for batch in log[len(before[partition]) :]
                for one in batch.samples
            ]
            frontier = min(log[-1].watermark if log else BEFORE_ALL for log in inside)
            settled = [pair for pair in waiting if pair[1].decided_at < frontier]
            waiting = [pair for pair in waiting if pair[1].decided_at >= frontier]
            for partition, one in sorted(settled, key=lambda pair: pair[1].order()):
                self._meet(partition, one)
            if self.open and self.span and frontier >= self._boundary():
                self._close("time")
            if not all(log and log[-1].ends >= end for log in inside):
                return self.closed
            if self.open:
                self._close("end")

    def _meet(self, partition: int, one: One) -> None:
        if self.open and self.span and one.decided_at >= self._boundary():
            self._close("time")
        self.open.append((partition, one))
        if len(self.open) == self.count:
            self._close("count")

    def _boundary(self) -> int:
        assert self.span
        return (self.open[0][1].decided_at // self.span + 1) * self.span

    def _close(self, reason: str) -> None:
        ones = [one for _, one in self.open]
        numbers: dict[int, list[int]] = {}
        for partition, one in self.open:
            numbers.setdefault(partition, []).append(one.number)
        for each in numbers.values():
            assert each == list(range(each[0], each[-1] + 1))
        digest = hashlib.sha256(b"".join(one.row_hash().to_bytes(8, "little") for one in ones)).hexdigest()
        self.closed.append(
            Closed(
                reason,
                ones[-1].key(),
                len(ones),
                sum(one.label for one in ones),
                digest,
                {partition: (each[0], each[-1] + 1) for partition, each in numbers.items()},
            )
        )
        self.open = []


def behind(log: Sequence[Batch], batch: Batch) -> int:
    """How many ends the batches before this one have told."""
    place = next(place for place, each in enumerate(log) if each is batch)
    return log[place - 1].ends if place else 0
