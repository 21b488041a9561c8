"""The gate's newest word is followed, but an operator's as long as it holds."""

from serving.words import Words
from stream.records import Kind, Serve


def gate(period: int, kind: Kind = "star") -> Serve:
    return Serve(period=period, kind=kind, version=period, reason="gate")


def held(version: int, by: str = "ada") -> Serve:
    return Serve(period=99, kind="theta", version=version, reason="look", held_by=by)


RELEASE = Serve(period=99, kind="theta", version=0, reason="", held_by="ada", release=True)


def followed(*words: Serve) -> list[int | None]:
    fold, seen = Words(), []
    for word in words:
        fold.take(word)
        seen.append(fold.current.version if fold.current else None)
    return seen


def test_a_gate_record_whose_period_is_not_newer_is_passed_over() -> None:
    assert followed(gate(1), gate(2), gate(2, "theta"), gate(1), gate(3)) == [1, 2, 2, 2, 3]


def test_a_hold_stands_until_it_is_released_and_then_the_gates_newest_word_counts() -> None:
    assert followed(gate(5), held(3), gate(6), gate(7), RELEASE, gate(8)) == [5, 3, 3, 3, 7, 8]


def test_a_later_hold_replaces_an_earlier_one() -> None:
    assert followed(gate(5), held(3), held(2, "bob"), RELEASE) == [5, 3, 2, 5]


def test_nothing_is_followed_before_the_first_word() -> None:
    assert followed(RELEASE) == [None]
