"""The verdict on runs made by hand: what is lost, counted twice or different is said, and counted."""

from collections import Counter

import pytest
from verify import Outcome, verify

AGREED = {"period 1": "a", "theta/1": "b", "theta/1: user": "c"}


def outcome(**changes):
    whole = {"events": 4, "row_hashes": Counter([1, 2, 3]), "agreed": dict(AGREED)}
    return Outcome(**(whole | changes))


def test_two_runs_that_came_to_the_same():
    line, wrong = verify(outcome(), outcome(), 4, 12)
    assert line == "chaos: events 4 samples 3 kills 12 lost 0 duplicated 0 differing 0"
    assert wrong == []


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({"events": 3}, "lost 1 duplicated 0 differing 0"),
        ({"row_hashes": Counter([1, 2])}, "lost 1 duplicated 0 differing 0"),
        ({"row_hashes": Counter([1, 2, 3, 3])}, "lost 0 duplicated 1 differing 0"),
        ({"row_hashes": Counter([1, 2, 4])}, "lost 1 duplicated 1 differing 0"),
        ({"gaps": 2}, "lost 2 duplicated 0 differing 0"),
        ({"overlaps": 2}, "lost 0 duplicated 2 differing 0"),
        ({"agreed": AGREED | {"theta/1": "x"}}, "lost 0 duplicated 0 differing 1"),
        ({"agreed": {"period 1": "a"}}, "lost 0 duplicated 0 differing 2"),
        ({"agreed": AGREED | {"period 2": "d"}}, "lost 0 duplicated 0 differing 1"),
        ({"broken": ["theta/1: user: not what its name says"]}, "lost 0 duplicated 0 differing 1"),
    ],
)
def test_what_is_wrong_is_counted(changes, counts):
    line, wrong = verify(outcome(), outcome(**changes), 4, 12)
    assert line.endswith(counts)
    assert wrong
