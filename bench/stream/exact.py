"""Whether periods are what one partition, one process and no Kafka make of the same events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asmg.experiment.periods import windowed
from stream.records import Manifest
from stream.replay import Source
from stream.samples import hash_of
from stream.settings import StreamSettings


@dataclass(frozen=True)
class Exactness:
    """Periods compared one by one."""

    periods: int
    samples: int
    differing: (
        int  # periods that are missing, too many, or have another count, other positives or another hash
    )


def compare(source: Source, count: int, settings: StreamSettings, manifests: Sequence[Manifest]) -> Exactness:
    """Windows the source again, offline, and compares what manifests say of each period's samples."""
    found = [(one.count, one.positives, one.sha256) for one in manifests]
    wanted = [
        (len(one), int(one.label.sum()), hash_of(one.row_hash)) for one in windowed(source, count, settings)
    ]
    both = range(max(len(found), len(wanted)))
    differing = sum(found[one : one + 1] != wanted[one : one + 1] for one in both)
    return Exactness(len(wanted), sum(size for size, _, _ in wanted), differing)
