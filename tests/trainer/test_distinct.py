"""Numbering batches' values anew says what `np.unique` says, batch after batch."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainer.distinct import Distinct


@given(st.lists(st.lists(st.integers(0, 8)), max_size=4))
def test_values_and_places_are_those_of_a_sort_whatever_the_batches_before(batches):
    batches = [np.array(values, np.int64) for values in batches]
    distinct = Distinct(*batches)
    for values in batches:
        for found, expected in zip(distinct(values), np.unique(values, return_inverse=True), strict=True):
            np.testing.assert_array_equal(found, expected)
