"""Where windowing is, and when nothing is left to be closed; what of `events` counts as an event."""

from dataclasses import dataclass

import pytest

from asmg.produced import Counts
from asmg.status import Stages
from stream.positions import Position, all_closed
from stream.records import Manifest
from stream.window.log import tick
from trainer.announced import Announced


@dataclass(frozen=True)
class _Message:
    place: int
    said: bytes | None
    by: bytes | None = None

    def partition(self) -> int:
        return self.place

    def value(self) -> bytes | None:
        return self.said

    def key(self) -> bytes | None:
        return self.by


def closed(*counts: int, reason: str = "count") -> list[Manifest]:
    reasons = ["settings", *["count"] * (len(counts) - 1), reason]
    return [
        Manifest(period=period, parent="", reason=why, count=count)  # type: ignore[arg-type]
        for period, (count, why) in enumerate(zip((0, *counts), reasons, strict=True))
    ]


@pytest.mark.parametrize(
    ("ends", "manifests", "done"),
    [
        ((1, 1), closed(40, 10, reason="end"), True),
        ((1, 1), closed(25, 25), True),  # the last period is full at the end: none is closed by it
        ((1, 1), closed(25), False),
        ((1, 0), closed(25, 25), False),
        ((1, 1), [], False),
    ],
)
def test_all_is_closed_when_every_partition_has_ended_and_every_sample_has_a_period(
    ends: tuple[int, int], manifests: list[Manifest], done: bool
) -> None:
    found = {partition: Position(9, 25, end, 0) for partition, end in enumerate(ends)}
    assert all_closed(found, manifests) is done


def test_ticks_are_no_events_and_what_comes_behind_the_end_is_not_counted() -> None:
    counts = Counts()
    counts.take([_Message(0, b'{"type":"click"}', b"u"), _Message(0, tick(5)), _Message(0, b"broken")])
    counts.take([_Message(1, None, b"u"), _Message(0, tick(9, end=True)), _Message(0, b"{}", b"late")])
    assert counts.total == 3


def test_the_last_of_several_ends_counts() -> None:
    counts = Counts()
    counts.take([_Message(0, tick(9, end=True)), _Message(0, b"{}", b"u"), _Message(0, tick(20, end=True))])
    assert counts.total == 1


def test_stages_lag_behind_what_is_closed(announced: Announced) -> None:
    del announced.models["theta", 4]
    del announced.models["star", 4]
    del announced.gate[3]
    stages = Stages.of(announced, {0: Position(waiting=7), 1: Position(waiting=5)})
    assert (stages.closed, stages.trained, stages.generated, stages.decided) == (4, 3, 3, 2)
    assert stages.lag == {"window_events": 12, "train_periods": 1, "metagen_periods": 2}
