import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from trainer.negatives import draw_negatives

barred = st.lists(st.lists(st.integers(-1, 12), min_size=4, max_size=4), min_size=1, max_size=40)


@given(barred, st.integers(0, 10), st.integers(0, 99), st.integers(1, 99))
def test_a_negative_is_a_known_item_and_never_the_positive_nor_in_the_history(excluded, items, seed, period):
    drawn = draw_negatives(seed, period, np.arange(len(excluded)), np.array(excluded), items)
    for one, row in zip(drawn.tolist(), excluded, strict=True):
        left = set(range(items)) - set(row)
        assert one in left if left else one == -1


@given(barred, st.permutations(range(40)))
def test_a_draw_depends_on_its_row_and_not_on_the_rows_beside_it(excluded, order):
    table = np.array(excluded)
    rows = np.array([one for one in order if one < len(table)])
    whole = draw_negatives(3, 7, np.arange(len(table)), table, 13)
    np.testing.assert_array_equal(draw_negatives(3, 7, rows, table[rows], 13), whole[rows])


def test_negatives_are_uniform_over_what_is_left():
    rows = np.arange(60_000)
    drawn = draw_negatives(1, 1, rows, np.tile([[3, 0, 7, 3]], (len(rows), 1)), 12)
    counts = np.bincount(drawn, minlength=12)
    assert counts[[0, 3, 7]].sum() == 0
    assert chisquare(np.delete(counts, [0, 3, 7])).pvalue > 1e-4


def test_seed_period_and_draw_each_change_the_negatives():
    rows, excluded = np.arange(50), np.full((50, 1), -1)
    draws = [
        draw_negatives(seed, period, rows, excluded, 1000, draw).tolist()
        for seed, period, draw in [(0, 1, 0), (1, 1, 0), (0, 2, 0), (0, 1, 1), (1, 0, 0)]
    ]
    assert len({tuple(one) for one in draws}) == len(draws)
