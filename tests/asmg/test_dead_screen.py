"""Dead letters and replays as people and machines see them."""

from collections import Counter

from rich.console import Console

from asmg.dead.screen import described, listed, reported
from stream.dead.replay import Report
from stream.dead.verdict import REPLAYED, STILL_DEAD


def drawn(parts: list) -> str:
    console = Console(width=100, record=True, force_terminal=False)
    with console.capture() as kept:
        for part in parts:
            console.print(part)
    return kept.get()


def group(reason: str, letters: int, replayed: int, value: str) -> dict:
    example = {"reason": reason, "partition": 3, "offset": 17, "cut": False, "value": value}
    times = {"first": 1_764_000_000_000, "last": 1_764_000_060_000}
    return (
        {"topic": "shop.views", "reason": reason, "letters": letters, "replayed": replayed}
        | times
        | {"example": example}
    )


def test_letters_are_told_by_topic_and_reason_with_an_example_that_is_cut_to_the_width():
    groups = [
        group("item: sku is missing", 1_234_567, 3, '{"visitor": ' * 40),
        group("[not] JSON", 1, 0, "\x1b[2J\n{"),
    ]
    found = {"letters": 5, "older": True, "unreadable": 0, "groups": groups}
    lines = drawn(listed(found)).splitlines()
    (first,) = [line for line in lines if "shop.views: item: sku is missing" in line]
    assert first.split()[:4] == ["1,234,567", "3", "2025-11-24", "16:00"]
    assert any("3/17 {" in line and line.rstrip().endswith("…") for line in lines)
    assert any("shop.views: [not] JSON" in line for line in lines)
    assert any("3/17 ·[2J·{" in line for line in lines)  # and no order to the terminal
    assert max(map(len, lines)) <= 100
    assert "older" in lines[-1]
    nothing = {"letters": 0, "older": False, "unreadable": 0, "groups": []}
    assert drawn(listed(nothing)).strip() == "No dead letter."


def test_a_replay_says_what_became_of_the_letters_and_which_events_are_late():
    done = Report(
        letters=Counter({("t", REPLAYED): 4, ("t", STILL_DEAD): 2}),
        reasons={("t", STILL_DEAD): "item: sku is missing"},
        events=5,
        late=3,
        before=1,
        more=7,
    )
    told = drawn(reported(done, dry=True))
    for part in ("replayed", "still dead", "item: sku is missing", "5 events would be written", "3 of them",
                 "1 letters had been written", "7 letters beyond --limit"):  # fmt: skip
        assert part in told
    assert "5 events written" in drawn(reported(done, dry=False))
    found = described(done, dry=False)
    assert (found["events"], found["late"], found["beyond_limit"]) == (5, 3, 7)
    assert found["letters"][1] == {
        "topic": "t",
        "outcome": STILL_DEAD,
        "letters": 2,
        "reason": "item: sku is missing",
    }
