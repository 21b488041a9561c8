"""A partition is idle when nobody writes to it, not when nobody can."""

from __future__ import annotations

import pytest

from stream.close.idle import Stillness

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
    stillness.moved(0, 19.0)
    assert stillness.idle(19.5) == [1]
    answer(stillness, 20, 28, p0=3, p1=3)
    assert stillness.idle(27.0 - 0.1) == [1]
    assert stillness.idle(27.0) == [0, 1]


def test_rest_is_counted_from_the_first_answer_not_from_before(stillness: Stillness) -> None:
    stillness.moved(0, 0.0)
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
