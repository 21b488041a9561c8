"""The test against IU, on pairs made up."""

from __future__ import annotations

import pytest

from asmg.experiment.significance import p_value


def test_six_pairs_all_for_the_method_have_the_least_p_there_is_of_six() -> None:
    assert p_value([1.1, 2.2, 3.3, 4.4, 5.5, 6.6], [1, 2, 3, 4, 5, 6]) == pytest.approx(2 / 2**6)


def test_ranks_count_and_not_sizes_alone() -> None:
    """Differences 1, 2, 3, 4, 5, -6: of 64 ways to set signs, 28 have a lesser rank sum of at most 6."""
    assert p_value([1, 2, 3, 4, 5, 0], [0, 0, 0, 0, 0, 6]) == pytest.approx(28 / 64)


def test_it_does_not_matter_who_is_better() -> None:
    mine, theirs = [0.91, 0.92, 0.93, 0.94, 0.95, 0.9, 0.8], [0.9, 0.9, 0.9, 0.9, 0.9, 0.91, 0.85]
    assert p_value(mine, theirs) == pytest.approx(p_value(theirs, mine))


def test_fewer_than_six_pairs_are_no_test_and_pairs_without_a_score_are_none() -> None:
    assert p_value([1, 2, 3, 4, 5], [0, 0, 0, 0, 0]) is None
    assert p_value([1, 2, 3, 4, 5, None], [0] * 6) is None
    assert p_value([1, 2, 3, 4, 5, 6], [0, 0, 0, 0, 0, None]) is None


def test_scores_that_never_differ_tell_nothing_and_ties_are_no_error() -> None:
    assert p_value([0.5] * 8, [0.5] * 8) == 1.0
    assert p_value([1, 1, 1, 1, 1, 1, 0], [0] * 7) == pytest.approx(2 / 2**6)
