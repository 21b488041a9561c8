"""What replays say of themselves among the dead letters: which are done, and where one has died."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.dead.marks import BEGIN, DONE, END, RANGES, Begin, Replayed, done_marks, joined
from stream.errors import CorruptRecord


@given(st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)))
def test_a_letter_is_done_where_any_mark_says_so(some, others):
    marks = Replayed()
    for numbers in (some, others):
        for value in done_marks(numbers):
            marks.take(DONE, value)
    assert {one for one in range(62) if marks.holds(one)} == some | others


def test_many_ranges_are_several_marks():
    values = list(done_marks(range(0, 2 * RANGES + 2, 2)))
    assert len(values) == 2
    assert all(len(value) < 900_000 for value in values)


def test_neighbours_are_one_range():
    assert list(joined([(4, 5), (1, 2), (2, 4), (9, 10)])) == [(1, 5), (9, 10)]


def test_what_was_begun_and_not_ended_is_open_from_the_earliest_place():
    marks = Replayed()
    assert marks.open == {}
    for ends in ({0: 7, 1: 3}, {0: 9, 1: 5}):
        marks.take(BEGIN, msgspec.json.encode(Begin(ends)))
    assert marks.open == {0: 7, 1: 3}
    marks.take(END, b"")
    assert marks.open == {}


@pytest.mark.parametrize(("kind", "value"), [(BEGIN, b"{"), (DONE, None), (DONE, b"\xff"), (b"x", b"")])
def test_a_mark_that_cannot_be_read_is_told_of(kind, value):
    with pytest.raises(CorruptRecord, match="among the dead letters"):
        Replayed().take(kind, value)
