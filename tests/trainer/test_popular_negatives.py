import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from trainer.batches import make_examples
from trainer.catalogue import Catalogue
from trainer.negatives import draw_negatives, draw_popular_negatives
from trainer.settings import TrainerSettings

barred = st.lists(st.lists(st.integers(-1, 12), min_size=4, max_size=4), min_size=1, max_size=40)
clicks = st.lists(st.integers(0, 9), min_size=1, max_size=20)


def test_an_item_is_drawn_as_often_as_it_was_clicked_among_those_left():
    """Of ten clicks item 4 has five, 1 three, 0 and 7 one each; a row that avoids 4 has 3 : 1 : 1 left."""
    rows, clicked = np.arange(50_000), np.array([4, 1, 4, 0, 4, 1, 4, 7, 4, 1])
    counts = np.bincount(draw_popular_negatives(1, 1, rows, _none(rows), 12, clicked), minlength=12)
    assert counts[[0, 1, 4, 7]].sum() == len(rows)
    assert chisquare(counts[[0, 1, 4, 7]], len(rows) * np.array([0.1, 0.3, 0.5, 0.1])).pvalue > 1e-4
    avoiding = np.tile([[4, -1]], (len(rows), 1))
    counts = np.bincount(draw_popular_negatives(1, 1, rows, avoiding, 12, clicked), minlength=12)
    assert counts[[0, 1, 7]].sum() == len(rows)
    assert chisquare(counts[[0, 1, 7]], len(rows) * np.array([0.2, 0.6, 0.2])).pvalue > 1e-4


def test_where_all_that_was_clicked_is_to_be_avoided_the_draw_is_uniform_over_the_rest():
    rows, excluded = np.arange(200), np.tile([[2, 3]], (200, 1))
    drawn = draw_popular_negatives(5, 2, rows, excluded, 6, np.array([2, 3, 3]))
    np.testing.assert_array_equal(drawn, draw_negatives(5, 2, rows, excluded, 6))
    assert set(drawn.tolist()) == {0, 1, 4, 5}
    assert draw_popular_negatives(5, 2, rows[:1], np.array([[0]]), 1, np.array([0])).tolist() == [-1]


@given(barred, clicks, st.integers(10, 14), st.integers(0, 99), st.integers(1, 99))
def test_a_negative_is_never_what_its_row_avoids(excluded, clicked, items, seed, period):
    drawn = draw_popular_negatives(
        seed, period, np.arange(len(excluded)), np.array(excluded), items, np.array(clicked)
    )
    for one, row in zip(drawn.tolist(), excluded, strict=True):
        assert one not in row or one == -1
        assert (one == -1) == (not set(range(items)) - set(row))


@given(barred, clicks, st.permutations(range(40)))
def test_a_draw_depends_on_its_row_and_not_on_the_rows_beside_it(excluded, clicked, order):
    table, clicked = np.array(excluded), np.array(clicked)
    rows = np.array([one for one in order if one < len(table)])
    whole = draw_popular_negatives(3, 7, np.arange(len(table)), table, 13, clicked)
    np.testing.assert_array_equal(draw_popular_negatives(3, 7, rows, table[rows], 13, clicked), whole[rows])


def test_seed_period_and_draw_each_change_the_negatives():
    rows, clicked = np.arange(50), np.arange(1000)
    draws = [
        draw_popular_negatives(seed, period, rows, _none(rows), 1000, clicked, draw).tolist()
        for seed, period, draw in [(0, 1, 0), (1, 1, 0), (0, 2, 0), (0, 1, 1), (1, 0, 0)]
    ]
    assert len({tuple(one) for one in draws}) == len(draws)


def test_a_periods_popular_negatives_were_clicked_in_it(samples_of):
    """`shown` was never clicked; `b`, who had `x` and takes `y`, had it all."""
    first = samples_of(
        [("a", "x", {}), ("b", "y", {"history": ["x"]}), ("c", "shown", {"impression": "p1", "label": 0})]
        + [("d", "x", {}), ("e", "y", {})] * 10
    )
    early = Catalogue(TrainerSettings(), False)
    early.extend(first)
    then = make_examples(first, early, 1, 5, 3, negative_draw="popular")
    names = np.array(early.items.ids)[then.item[len(first) :]]
    users = np.array(early.users.ids)[then.user[len(first) :]]
    drawn = {user: set(names[users == user].tolist()) for user in "abcde"}
    assert drawn == {"a": {"y"}, "b": {"shown"}, "c": set(), "d": {"y"}, "e": {"x"}}
    assert (then.label[len(first) :] == 0).all()


@pytest.mark.parametrize("negatives", [0, 2])
def test_uniform_is_what_is_drawn_where_nothing_is_said(random_period, negatives):
    samples = random_period(1)
    catalogue = Catalogue(TrainerSettings(), False)
    catalogue.extend(samples)
    plain = make_examples(samples, catalogue, 1, 5, negatives)
    uniform = make_examples(samples, catalogue, 1, 5, negatives, negative_draw="uniform")
    popular = make_examples(samples, catalogue, 1, 5, negatives, negative_draw="popular")
    np.testing.assert_array_equal(plain.item, uniform.item)
    assert (negatives == 0) == np.array_equal(plain.item, popular.item)
    assert TrainerSettings().negative_draw == "uniform"


def _none(rows):
    return np.full((len(rows), 1), -1)
