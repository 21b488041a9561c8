"""A partition is idle when nobody writes to it, not when nobody can."""

from __future__ import annotations

import pytest

from stream.close.idle import Stillness
from stream.window.kernels import NEVER

AFTER = 8.0


@pytest.fixture
def stillness() -> Stillness:
    return Stillness(range(2), AFTER)


def answer(stillness: Stillness, begin: int, end: int, **epochs: int) -> None:
    """An answer each second of [begin, end), from leaders of these epochs."""
    for second in range(begin, end):
        stillness.answered({int(name[1:]): epoch for name, epoch in epochs.items()}, float(second))


def test_nothing_is_known_before_a_leader_answers(stillness: Stillness) -> None:
    assert stillness.idle(100.0) == []


def test_it_is_idle_once_it_stood_still_for_long_enough(stillness: Stillness) -> None:
    answer(stillness, 0, 20, p0=3, p1=3)
    stillness.moved(0, 5, 19.0)
    assert stillness.idle(19.5) == [1]
    answer(stillness, 20, 28, p0=3, p1=3)
    assert stillness.idle(27.0 - 0.1) == [1]
    assert stillness.idle(27.0) == [0, 1]


def test_rest_is_counted_from_the_first_answer_not_from_before(stillness: Stillness) -> None:
    stillness.moved(0, 5, 0.0)
    answer(stillness, 100, 107, p0=3)
    assert stillness.idle(107.0) == []
    answer(stillness, 107, 109, p0=3)
    assert stillness.idle(108.0) == [0]


def test_a_new_leader_begins_it_anew(stillness: Stillness) -> None:
    answer(stillness, 0, 7, p0=3, p1=3)
    answer(stillness, 7, 15, p0=4, p1=3)
    assert stillness.idle(14.9) == [1]
    answer(stillness, 15, 16, p0=4, p1=3)
    assert stillness.idle(15.0) == [0, 1]


def test_so_does_silence_of_its_own_leader_alone(stillness: Stillness) -> None:
    answer(stillness, 0, 6, p0=3, p1=3)
    answer(stillness, 6, 12, p1=3)  # the other has none, for longer than answers may be apart
    answer(stillness, 12, 16, p0=3, p1=3)
    assert stillness.idle(15.5) == [1]
    answer(stillness, 16, 21, p0=3, p1=3)
    assert stillness.idle(20.0) == [0, 1]


def test_who_heard_nothing_for_long_knows_nothing(stillness: Stillness) -> None:
    answer(stillness, 0, 20, p0=3)
    assert stillness.idle(19.0 + stillness.apart) == [0]
    assert stillness.idle(19.1 + stillness.apart) == []


def test_the_past_is_where_it_was_a_while_ago(stillness: Stillness) -> None:
    assert stillness.past(0, 100.0) == NEVER
    for second in range(20):
        stillness.moved(0, 100 * second, float(second))
    assert stillness.past(0, 19.0) == 1_100
    assert stillness.past(0, 19.5) == 1_100
    assert stillness.past(0, 20.0) == 1_200
    assert stillness.past(0, 50.0) == 1_900
    assert stillness.past(1, 50.0) == NEVER


def test_after_a_pause_of_all_the_first_to_move_is_not_yet_where_others_must_be(stillness: Stillness) -> None:
    stillness.moved(0, 1_000, 0.0)
    stillness.moved(1, 1_000, 0.0)
    answer(stillness, 0, 31, p0=3, p1=3)
    stillness.moved(0, 9_000, 30.0)  # the other is moments behind
    assert stillness.idle(30.5) == [1]
    assert stillness.past(0, 30.5) == 1_000
    assert stillness.past(0, 38.0) == 9_000


def test_a_tick_ends_no_rest(stillness: Stillness) -> None:
    answer(stillness, 0, 11, p0=3, p1=3)
    assert stillness.idle(10.0) == [0, 1]
    stillness.ticked(0, 500)
    stillness.moved(0, 500, 10.0)
    assert stillness.idle(10.0) == [0, 1]
    stillness.moved(0, 501, 10.0)
    assert stillness.idle(10.0) == [1]


def test_who_stood_still_for_several_times_as_long_is_asked_for_apart(stillness: Stillness) -> None:
    answer(stillness, 0, 30, p0=3, p1=3)
    stillness.moved(0, 5, 10.0)
    assert stillness.idle(29.0) == [0, 1]
    assert stillness.idle(29.0, 3) == [1]
