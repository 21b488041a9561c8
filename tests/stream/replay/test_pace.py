"""When a replay may go on."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.replay.pace import Clock, Reached, may_go_on

TS = np.array([1_000, 2_000, 2_000, 10_000])


def test_at_full_speed_everything_is_due_at_once() -> None:
    clock = Clock(TS, math.inf, start=5.0)
    assert (clock.due(5.0), clock.wait(3, 5.0)) == (4, 0.0)


@pytest.mark.parametrize(("now", "due"), [(5.0, 1), (5.09, 1), (5.1, 3), (5.89, 3), (5.9, 4), (99.0, 4)])
def test_event_time_passes_by_the_factor_faster(now: float, due: int) -> None:
    assert Clock(TS, 10.0, start=5.0).due(now) == due


def test_a_row_is_waited_for_until_it_is_due() -> None:
    clock = Clock(TS, 10.0, start=5.0)
    assert clock.wait(3, 5.0) == pytest.approx(0.9)
    assert clock.wait(3, 6.0) == 0.0


def test_a_resumed_replay_counts_from_its_first_row() -> None:
    clock = Clock(TS, 1.0, start=0.0, first=3)
    assert (clock.due(0.0), clock.wait(3, 0.0)) == (4, 0.0)


@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=20).map(sorted),
    st.floats(0.01, 1000),
    st.floats(0, 100),
    st.data(),
)
def test_a_row_is_due_when_its_wait_is_over(
    ts: list[int], speed: float, now: float, data: st.DataObject
) -> None:
    clock = Clock(np.array(ts), speed, start=0.0)
    row = data.draw(st.integers(0, len(ts) - 1))
    assert clock.due(now + clock.wait(row, now) + 1e-3 / speed + 1e-6) > row


def reached(*, closed: int = 0, served: int = 0, watermarks: dict[int, int] | None = None) -> Reached:
    return Reached(watermarks or {0: 9_000, 1: 9_000}, partitions=2, closed=closed, served=served)


@pytest.mark.parametrize(
    ("closed", "served", "allowed"), [(0, 0, True), (1, 0, True), (2, 0, False), (7, 6, True)]
)
def test_one_closed_period_may_wait_while_another_is_trained(closed: int, served: int, allowed: bool) -> None:
    assert may_go_on(reached(closed=closed, served=served), TS, 0, lateness=0, ahead=2) is allowed


def test_a_replay_is_not_far_before_windowing() -> None:
    behind = reached(watermarks={0: 9_000, 1: 500})
    assert may_go_on(behind, TS, 2, lateness=0, ahead=2)
    assert not may_go_on(behind, TS, 3, lateness=0, ahead=2)
    assert may_go_on(behind, TS, 3, lateness=500, ahead=2)  # it has windowed up to 1,000


def test_while_a_partition_tells_nothing_a_replay_may_send_its_first_rows_only() -> None:
    silent = reached(watermarks={0: 9_000})
    assert may_go_on(silent, TS, 2, lateness=10**9, ahead=2)
    assert not may_go_on(silent, TS, 3, lateness=10**9, ahead=2)


def test_the_largest_period_counts_whatever_order_they_are_told_in() -> None:
    progress = reached()
    progress.close([3, 1])
    progress.close([2])
    progress.serve([])
    progress.serve([1])
    assert (progress.closed, progress.served) == (3, 1)
