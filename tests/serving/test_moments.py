"""A long run stays small: its last minutes second by second, what is older ever more coarsely."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from serving.moments import KEPT, Moments, thinned
from serving.state import Moment, Taken

quick = examples(max_examples=100, deadline=None)


def run(seconds: int) -> Moments:
    moments = Moments()
    for second in range(seconds):
        moments.add(Moment(at=1_000 * second))
    return moments


def times(moments: Moments) -> list[int]:
    return [one.at // 1_000 for one in moments.all]


def test_up_to_the_most_all_is_kept() -> None:
    assert times(run(KEPT)) == list(range(KEPT))
    assert thinned([1, 2, 3], 3) == [1, 2, 3]
    assert thinned([], 3) == []


def test_beyond_every_second_of_the_older_half_goes() -> None:
    assert thinned(range(10), 9) == [0, 2, 4, 5, 6, 7, 8, 9]


@given(st.integers(1, 400), st.integers(4, 50))
@quick
def test_the_newer_half_stays_whole_in_order_and_from_the_oldest_on(count: int, most: int) -> None:
    kept = thinned(range(count), most)
    assert kept == sorted(set(kept))
    assert kept[0] == 0
    if count == most + 1:  # as one more comes at a time
        assert set(range(count // 2, count)) <= set(kept)


@given(st.integers(1, 5_000), st.integers(4, 60))
@quick
def test_no_more_are_kept_than_most_however_many_there_are(count: int, most: int) -> None:
    assert len(thinned(range(count), most)) <= most


def test_after_hours_there_are_no_more_than_most_and_the_oldest_lies_at_the_beginning() -> None:
    seconds = 20_000
    moments = run(seconds)
    kept = times(moments)
    assert KEPT / 2 < len(kept) <= KEPT
    assert kept == sorted(set(kept))
    assert kept[0] == 0
    last = KEPT // 4  # since the last thinning at least the newer half of it
    assert kept[-last:] == list(range(seconds - last, seconds))
    gaps = [later - one for one, later in pairwise(kept)]
    assert all(one >= later for one, later in pairwise(gaps))  # coarser the older


def test_a_swap_goes_with_the_moments_it_lies_among() -> None:
    moments = Moments()
    moments.mark(Taken(at=500, kind="theta", version=1))
    moments.mark(Taken(at=1_500, kind="star", version=2))
    moments.add(Moment(at=1_000))
    assert [one.version for one in moments.swaps] == [2]
    moments.add(Moment(at=2_000))
    assert [one.version for one in moments.swaps] == [2]


def test_a_swap_at_the_oldest_moment_stays() -> None:
    moments = Moments()
    moments.mark(Taken(at=1_000, kind="theta", version=1))
    moments.add(Moment(at=1_000))
    assert [one.version for one in moments.swaps] == [1]


def test_no_more_swaps_are_kept_than_moments() -> None:
    moments = Moments()
    for version in range(KEPT + 30):
        moments.mark(Taken(at=version, kind="theta", version=version))
    assert [one.version for one in moments.swaps] == list(range(30, KEPT + 30))


def test_what_was_told_before_does_not_change() -> None:
    moments = run(10)
    moments.mark(Taken(at=9_000, kind="theta", version=1))
    before, swaps = moments.all, moments.swaps
    moments.add(Moment(at=10_000))
    moments.mark(Taken(at=10_000, kind="theta", version=2))
    assert (len(before), len(swaps)) == (10, 1)
