"""The rules by which samples become periods, one by one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from cut_oracle import Batch, Closed, One, add, closed

from stream.close.cut import Cutter


def ones(*times: int, first: int = 0, user: str = "u", label: int = 0) -> list[One]:
    """Samples of one partition at these times."""
    return [One(first + place, time, user, label=label) for place, time in enumerate(times)]


def cuts(
    *batches: tuple[int, Batch], partitions: int = 1, count: int | None = None, span: int | None = None
) -> list[Closed]:
    """All that could be closed, asked after every batch."""
    cutter = Cutter(partitions, count, span)
    found = closed(cutter.cuts())
    for partition, batch in batches:
        add(cutter, partition, batch)
        found += closed(cutter.cuts())
    assert closed(cutter.cuts()) == []
    return found


def brief(found: Sequence[Closed]) -> list[tuple[str, int, int]]:
    return [(cut.reason, cut.last[0], cut.count) for cut in found]


def test_before_anything_came_there_is_nothing_to_close() -> None:
    assert cuts(partitions=3, count=1, span=1) == []


def test_a_cut_says_what_it_holds() -> None:
    samples = [
        One(0, 4, "u", "a", "p", 1), One(1, 5, "u", "b", "q", 0), One(2, 5, "v", "é", "", 1), One(3, 6, "u")
    ]  # fmt: skip
    digest = hashlib.sha256(b"".join(one.row_hash().to_bytes(8, "little") for one in samples[:3])).hexdigest()
    assert cuts((0, Batch(samples, 9)), count=3) == [
        Closed("count", (5, "v", "é", ""), 3, 2, digest, {0: (0, 3)})
    ]


def test_a_cut_over_partitions_is_in_order_and_names_their_numbers() -> None:
    mine = [One(0, 1, "a"), One(1, 3, "é", label=1), One(2, 3, "é", "j"), One(3, 9, "a")]
    yours = [One(0, 3, "z", label=1), One(1, 3, "\uffff"), One(2, 9, "z")]
    third = [One(0, 3, "😀"), One(1, 8, "b")]
    (cut,) = cuts((0, Batch(mine, 99)), (1, Batch(yours, 99)), (2, Batch(third, 99)), partitions=3, count=6)
    ordered = [mine[0], yours[0], mine[1], mine[2], yours[1], third[0]]
    digest = hashlib.sha256(b"".join(one.row_hash().to_bytes(8, "little") for one in ordered)).hexdigest()
    assert cut == Closed("count", (3, "😀", "i", ""), 6, 2, digest, {0: (0, 3), 1: (0, 2), 2: (0, 1)})


def test_numbers_go_on_from_cut_to_cut() -> None:
    found = cuts((0, Batch(ones(1, 2, 3, 4, 5), 9)), count=2)
    assert [cut.samples for cut in found] == [{0: (0, 2)}, {0: (2, 4)}]


def test_complete_ties_are_all_counted() -> None:
    found = cuts((0, Batch(ones(5, 5, 5, 5), 9)), count=2)
    assert [cut.samples for cut in found] == [{0: (0, 2)}, {0: (2, 4)}]
    assert len({cut.sha256 for cut in found}) == 1


# ---- the frontier


def test_a_partition_that_has_told_no_watermark_holds_everything_back() -> None:
    assert cuts((0, Batch(ones(1, 2), 99)), partitions=2, count=1, span=10) == []


def test_an_empty_batch_carries_a_watermark_alone() -> None:
    found = cuts((0, Batch(ones(1, 2), 99)), (1, Batch([], 2)), partitions=2, count=1)
    assert brief(found) == [("count", 1, 1)]


def test_a_sample_at_the_frontier_is_not_settled() -> None:
    batches = [(0, Batch(ones(5), 6)), (1, Batch([], 5))]
    assert cuts(*batches, partitions=2, count=1) == []
    assert brief(cuts(*batches, (1, Batch([], 6)), partitions=2, count=1)) == [("count", 5, 1)]


def test_the_slowest_partition_decides_what_comes_first() -> None:
    found = cuts((0, Batch(ones(5, 7), 99)), (1, Batch(ones(1, 6, user="v"), 99)), partitions=2, count=2)
    assert brief(found) == [("count", 5, 2), ("count", 7, 2)]
    assert [cut.samples for cut in found] == [{0: (0, 1), 1: (0, 1)}, {0: (1, 2), 1: (1, 2)}]


# ---- by count, by time, by both


def test_by_count_a_period_closes_at_its_last_sample_and_never_before() -> None:
    assert brief(cuts((0, Batch(ones(1, 2, 3), 10**6)), count=3)) == [("count", 3, 3)]
    assert cuts((0, Batch(ones(1, 2), 10**6)), count=3) == []


def test_one_batch_may_close_many_periods_oldest_first() -> None:
    assert brief(cuts((0, Batch(ones(*range(7)), 9)), count=2)) == [("count", last, 2) for last in (1, 3, 5)]


def test_by_time_a_sample_at_the_boundary_belongs_to_the_later_period() -> None:
    assert brief(cuts((0, Batch(ones(0, 9, 10, 19), 20)), span=10)) == [("time", 9, 2), ("time", 19, 2)]


def test_by_time_a_period_closes_when_the_frontier_reaches_the_boundary() -> None:
    assert cuts((0, Batch(ones(3), 9)), span=10) == []
    assert brief(cuts((0, Batch(ones(3), 10)), span=10)) == [("time", 3, 1)]
    assert brief(cuts((0, Batch(ones(3), 9)), (0, Batch([], 10)), span=10)) == [("time", 3, 1)]


def test_boundaries_are_multiples_of_the_span_not_counted_from_the_first_sample() -> None:
    assert brief(cuts((0, Batch(ones(19, 20, 29, 31), 40)), span=10)) == [
        ("time", 19, 1), ("time", 29, 2), ("time", 31, 1)
    ]  # fmt: skip


def test_spans_without_samples_are_skipped() -> None:
    assert brief(cuts((0, Batch([], 500)), (0, Batch(ones(501, 999), 1000)), span=10)) == [
        ("time", 501, 1), ("time", 999, 1)
    ]  # fmt: skip


def test_by_both_whichever_comes_first_closes() -> None:
    found = cuts((0, Batch(ones(1, 2, 3, 11, 12), 20)), count=2, span=10)
    assert brief(found) == [("count", 2, 2), ("time", 3, 1), ("count", 12, 2)]


def test_after_a_cut_by_count_the_next_one_by_time_holds_the_rest_of_the_span() -> None:
    found = cuts((0, Batch(ones(1, 2, 3, 4, 5, 10), 11)), count=3, span=10)
    assert brief(found) == [("count", 3, 3), ("time", 5, 2)]


# ---- ends


def test_an_end_closes_what_is_open_when_every_partition_has_it() -> None:
    first = (0, Batch(ones(1, 2), 50, ends=1))
    assert cuts(first, partitions=2, count=9) == []
    found = cuts(first, (1, Batch(ones(3, user="v"), 50, ends=1)), partitions=2, count=9)
    assert brief(found) == [("end", 3, 3)]


def test_an_end_with_nothing_open_closes_nothing() -> None:
    assert cuts((0, Batch([], 50, ends=1)), count=9) == []
    assert brief(cuts((0, Batch(ones(1, 2), 50, ends=1)), count=2)) == [("count", 2, 2)]
    assert brief(cuts((0, Batch(ones(1, 2), 50, ends=1)), span=10)) == [("time", 2, 2)]


def test_at_an_end_a_boundary_that_is_reached_comes_first() -> None:
    assert brief(cuts((0, Batch(ones(1, 2, 11), 19, ends=1)), span=10)) == [("time", 2, 2), ("end", 11, 1)]


def test_an_end_may_come_in_a_batch_without_samples() -> None:
    found = cuts((0, Batch(ones(1), 5)), (0, Batch([], 50, ends=1)), count=9)
    assert brief(found) == [("end", 1, 1)]


def test_after_an_end_a_new_period_begins() -> None:
    found = cuts(
        (0, Batch(ones(1, 2), 3, ends=1)), (0, Batch(ones(4, 5, 6, first=2), 7, ends=1)), count=3, span=100
    )
    assert brief(found) == [("end", 2, 2), ("count", 6, 3)]


def test_what_lies_behind_an_end_waits_for_the_ends_of_the_others() -> None:
    ahead = [(0, Batch(ones(1), 3, ends=1)), (0, Batch(ones(4, 5, first=1), 99, ends=1))]
    assert cuts(*ahead, (1, Batch([], 99)), partitions=2, count=2) == []
    found = cuts(*ahead, (1, Batch([], 3, ends=1)), (1, Batch([], 99, ends=1)), partitions=2, count=2)
    assert brief(found) == [("end", 1, 1), ("count", 5, 2)]


def test_a_partition_behind_its_end_holds_the_watermark_of_its_end() -> None:
    found = cuts(
        (0, Batch(ones(1), 3, ends=1)),
        (0, Batch(ones(4, first=1), 99, ends=1)),
        (1, Batch(ones(2, 8, user="v"), 99)),
        partitions=2,
        count=1,
    )
    assert brief(found) == [("count", 1, 1), ("count", 2, 1)]


def test_ends_are_met_one_after_the_other() -> None:
    one = [
        (0, Batch(ones(1), 10, ends=1)),
        (0, Batch(ones(11, first=1), 20, ends=2)),
        (0, Batch(ones(21, first=2), 30, ends=3)),
    ]
    other = [
        (1, Batch(ones(2, user="v"), 10, ends=1)),
        (1, Batch(ones(12, first=1, user="v"), 20, ends=2)),
    ]
    expected = [("end", 2, 2), ("end", 12, 2)]
    assert brief(cuts(*one, *other, partitions=2, count=9)) == expected
    assert brief(cuts(*other, *one, partitions=2, count=9)) == expected


# ---- what zombies write


def test_a_batch_that_comes_twice_counts_once() -> None:
    batch = (0, Batch(ones(1, 2), 3))
    assert brief(cuts(batch, batch, batch, count=1)) == [("count", 1, 1), ("count", 2, 1)]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_numbers_count_once_wherever_batches_begin_and_stop(count: int) -> None:
    whole = ones(1, 2, 3, 4, 5)
    expected = cuts((0, Batch(whole, 6)), count=count)
    found = cuts(
        (0, Batch(whole[:2], 3)),
        (0, Batch(whole[:1], 2)),
        (0, Batch(whole[1:4], 5)),
        (0, Batch(whole[2:3], 4)),
        (0, Batch(whole[:5], 6)),
        count=count,
    )
    assert found == expected


def test_a_batch_beyond_the_next_number_is_discarded_with_its_watermark_and_its_ends() -> None:
    gap = (0, Batch(ones(8, 9, first=3), 10, ends=1))
    assert cuts((0, Batch(ones(1), 2)), gap, count=2, span=5) == []
    found = cuts(
        (0, Batch(ones(1), 2)), gap, (0, Batch(ones(3, first=1), 4)), (0, Batch(ones(4, first=2), 5)),
        gap, count=9, span=5,
    )  # fmt: skip
    assert brief(found) == [("time", 4, 3), ("time", 9, 2)]


def test_a_first_batch_that_does_not_begin_at_zero_is_discarded() -> None:
    assert cuts((0, Batch(ones(1, first=1), 99)), count=1) == []


def test_a_gap_in_one_partition_is_none_in_another() -> None:
    found = cuts(
        (0, Batch(ones(1), 99)), (1, Batch(ones(2, first=4, user="v"), 99)),
        (1, Batch(ones(3, user="v"), 99)), partitions=2, count=1,
    )  # fmt: skip
    assert brief(found) == [("count", 1, 1), ("count", 3, 1)]


def test_watermarks_and_ends_never_go_back() -> None:
    found = cuts(
        (0, Batch(ones(1), 50, ends=1)),
        (0, Batch(ones(1), 2)),
        (0, Batch([], 2)),
        (1, Batch(ones(2, user="v"), 50, ends=1)),
        partitions=2,
        count=9,
    )
    assert brief(found) == [("end", 2, 2)]


def test_numbers_that_wait_behind_an_end_are_known_already() -> None:
    behind = (0, Batch(ones(51, first=1), 60, ends=1))
    found = cuts(
        (0, Batch(ones(1), 50, ends=1)), behind, behind, (0, Batch(ones(1), 2)), behind,
        (1, Batch([], 50, ends=1)), (1, Batch([], 60, ends=1)), partitions=2, count=1,
    )  # fmt: skip
    assert [cut.samples for cut in found] == [{0: (0, 1)}, {0: (1, 2)}]
