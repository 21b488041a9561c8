import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.live.drift import drift, popularity

#: Item and label of each sample.
PERIOD = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 1)), min_size=1, max_size=30).map(
    lambda rows: [*rows, ("a", 1)]
)


@pytest.fixture(scope="session")
def popular(samples_of):
    return lambda rows: popularity(
        samples_of([("u", item, {"label": label, "history": ["old"]}) for item, label in rows])
    )


def test_the_distance_and_the_share_of_new_items_are_those_worked_by_hand(popular) -> None:
    before = popular([(one, 1) for one in "aabbc"] + [("x", 0), ("e", 0)])
    period = popular([(one, 1) for one in "aabde"] + [("a", 0)])
    found = drift(before, period)
    # shares .4 .4 .2 0 0 and .4 .2 0 .2 .2 of a b c d e; their middle .4 .3 .1 .1 .1
    left = 0.4 * math.log2(0.4 / 0.3) + 0.2 * math.log2(0.2 / 0.1)
    right = 0.2 * math.log2(0.2 / 0.3) + 2 * 0.2 * math.log2(0.2 / 0.1)
    assert found.distance == pytest.approx(math.sqrt((left + right) / 2))
    assert found.distance == pytest.approx(0.5697, abs=1e-4)
    assert found.new_items == pytest.approx(0.2)  # d; e had been shown, if never clicked


def test_items_count_by_what_was_clicked_and_histories_not_at_all(popular) -> None:
    found = popular([("b", 1), ("a", 0), ("b", 1)])
    assert dict(zip(found.items.to_pylist(), found.positives.tolist(), strict=True)) == {"b": 2, "a": 0}


def test_a_period_without_positives_has_no_drift(popular) -> None:
    for pair in ((popular([("a", 0)]), popular([("a", 1)])), (popular([("a", 1)]), popular([("a", 0)]))):
        found = drift(*pair)
        assert math.isnan(found.distance)
        assert math.isnan(found.new_items)


@settings(deadline=None)
@given(PERIOD, PERIOD)
def test_the_distance_is_symmetric_and_lies_between_0_and_1(popular, one, other) -> None:
    there, back = drift(popular(one), popular(other)), drift(popular(other), popular(one))
    assert there.distance == pytest.approx(back.distance, abs=1e-7)
    assert 0 <= there.distance <= 1
    assert 0 <= there.new_items <= 1


@settings(deadline=None)
@given(PERIOD, st.integers(1, 4), st.randoms())
def test_the_same_shares_are_no_drift_whatever_the_order_and_the_volume(popular, rows, times, random) -> None:
    many = rows * times
    random.shuffle(many)
    found = drift(popular(rows), popular(many))
    assert found.distance == pytest.approx(0, abs=1e-7)
    assert found.new_items == 0


@settings(deadline=None)
@given(PERIOD, PERIOD)
def test_periods_with_no_item_in_common_are_as_far_apart_as_can_be(popular, one, other) -> None:
    renamed = [(item.upper(), label) for item, label in other]
    found = drift(popular(one), popular(renamed))
    assert found.distance == pytest.approx(1)
    assert found.new_items == pytest.approx(1)


def test_a_share_of_many_items_is_taken_whole(popular) -> None:
    rows = [(f"i{n}", 1) for n in np.random.default_rng(0).integers(0, 500, 3_000)]
    half = drift(popular(rows), popular([*rows, *((f"new{n}", 1) for n in range(3_000))]))
    assert half.new_items == pytest.approx(0.5)
