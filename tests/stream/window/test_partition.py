"""The rules by which a partition's events become samples, one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from oracle import (
    BEFORE_ALL,
    MAX_TS,
    Record,
    Row,
    Run,
    click,
    impression,
    record,
    rows,
    run,
    settings,
    ticked,
)

from stream.samples import HISTORY
from stream.window.log import tick


def all_of(*events: dict[str, Any], **more: int) -> Run:
    """The partition after these events, whatever their order, and the end; nothing is late."""
    return run(settings(lateness=MAX_TS, **more), [*map(record, events), ticked(MAX_TS, end=True)])


def count(met: Run, **expected: int) -> None:
    """These counts are as said, all others zero; produced is their sum."""
    assert met.counts == {
        **dict.fromkeys(met.counts, 0), **expected, "produced": sum(expected.values())
    }  # fmt: skip


# ---- which records can be used


def test_before_the_first_record_nothing_is_known() -> None:
    met = run(settings())
    assert (met.partition.watermark, met.partition.ends) == (BEFORE_ALL, 0)
    count(met)


def test_an_empty_log_changes_nothing() -> None:
    met = run(settings(), [], [record(click("u", "i", 5))], [])
    assert (met.samples, met.partition.watermark) == ([], 5)
    count(met, pending=1)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (None, ""),
        (b"", ""),
        (b"  ", ""),
        (b"{", ""),
        (b"\xff\xfe", ""),
        (json.dumps(click("u", "i", 5)).encode("utf-16"), ""),
        (b"null", ""),
        (b"[1]", ""),
        (b'"click"', ""),
        (b'{"type":"click","user_id":"u","item_id":"i","ts":5} more', ""),
        (b'{"type":"click","user_id":"\\ud800","item_id":"i","ts":5}', ""),
        (b'{"type":"click","user_id":"\xff","item_id":"i","ts":5}', ""),
        ({"user_id": "u", "item_id": "i", "ts": 5}, "type"),
        (click("u", "i", 5, type="purchase"), "type"),
        (click("u", "i", 5, type="pur\nchase"), "type"),
        (click("u", "i", 5, type=None), "type"),
        (click("u", "i", 5, type=1), "type"),
        ({"type": "click", "item_id": "i", "ts": 5}, "user_id"),
        (click(None, "i", 5), "user_id"),
        (click("", "i", 5), "user_id"),
        (click(True, "i", 5), "user_id"),
        (click(1.5, "i", 5), "user_id"),
        (click(["u"], "i", 5), "user_id"),
        (click("u" * 513, "i", 5), "user_id"),
        ({"type": "click", "user_id": "u", "ts": 5}, "item_id"),
        (click("u", {}, 5), "item_id"),
        (click("u", "", 5), "item_id"),
        (click("u", "i" * 513, 5), "item_id"),
        (click("u", "i", 5, impression_id=""), "impression_id"),
        (click("u", "i", 5, impression_id=False), "impression_id"),
        (click("u", "i", 5, impression_id="p" * 513), "impression_id"),
        ({"type": "impression", "user_id": "u", "item_id": "i", "ts": 5}, "impression_id"),
        (impression(None, "u", "i", 5), "impression_id"),
        (impression("", "u", "i", 5), "impression_id"),
        (impression("p", "u", None, 5), "item_id"),
        (impression("p", None, "i", 5), "user_id"),
        ({"type": "click", "user_id": "u", "item_id": "i"}, "ts"),
        (impression("p", "u", "i", None), "ts"),
        (click("u", "i", "5"), "ts"),
        (click("u", "i", True), "ts"),
        (click("u", "i", 5.5), "ts"),
        (click("u", "i", -1), "ts"),
        (click("u", "i", MAX_TS + 1), "ts"),
        (click("u", "i", 2**63), "ts"),
        (click(2**63, "i", 5), "user_id"),
        (click("u", "i", 5, categories=[10**600]), "categories"),
        (click("u", "i", 10**30), "ts"),
        (click("u", "i", 5, categories="c"), "categories"),
        (click("u", "i", 5, categories={"c": 1}), "categories"),
        (click("u", "i", 5, categories=[""]), "categories"),
        (click("u", "i", 5, categories=["c", None]), "categories"),
        (click("u", "i", 5, categories=["c" * 513]), "categories"),
        (click("u", "i", 5, categories=["c"] * 65), "categories"),
        ({"type": "tick"}, "watermark"),
        ({"type": "tick", "watermark": None}, "watermark"),
        ({"type": "tick", "watermark": "9"}, "watermark"),
        ({"type": "tick", "watermark": -1}, "watermark"),
        ({"type": "tick", "watermark": MAX_TS + 1}, "watermark"),
        ({"type": "tick", "watermark": 9, "end": "yes"}, "end"),
        ({"type": "tick", "watermark": 9, "end": 1}, "end"),
    ],
)
def test_what_cannot_be_used_is_dead_with_a_line_that_names_the_field(value: object, word: str) -> None:
    raw = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    met = run(settings(), [record(click("u", "i", 1)), Record(raw), record(click("u", "j", 2)), ticked(3)])
    ((offset, dead, reason),) = met.dead
    assert (offset, dead) == (8, raw)
    assert reason
    assert len(reason.splitlines()) == 1
    assert word in reason
    assert (met.partition.watermark, met.partition.ends) == (3, 0)
    count(met, used=2, dead=1)


@pytest.mark.parametrize("depth", [5_000, 100_000])
def test_a_record_nested_beyond_all_measure_is_dead_and_the_stream_goes_on(depth: int) -> None:
    nested = b'{"type":"click","user_id":"u","item_id":"i","ts":1,"x":' + b"[" * depth + b"]" * depth + b"}"
    met = run(settings(), [record(click("u", "i", 1)), Record(nested), record(click("u", "j", 2)), ticked(3)])
    assert [offset for offset, *_ in met.dead] == [8]
    count(met, used=2, dead=1)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "1e400"])
def test_numbers_that_are_none_are_dead(constant: str) -> None:
    value = f'{{"type":"click","user_id":"u","item_id":"i","ts":{constant}}}'.encode()
    count(run(settings(), [Record(value)]), dead=1)


@pytest.mark.parametrize(
    "event",
    [
        click("u" * 512, "😀" * 512, 5, impression_id=None, categories=["c" * 512]),
        click("u", "i", 5, categories=["c"] * 64),
        click("u", "i", 0),
        click("u", "i", MAX_TS),
        click("u\n\0", "i", 5),
        impression("p", "u", "i", 5, model_version=3, extra={"user_id": [None]}, end=4, watermark="x"),
        click("u", "i", 5, session=[1.5, None, {}], model_version="theta/3"),
    ],
)
def test_what_is_in_bounds_is_used_and_unknown_fields_do_not_matter(event: dict[str, Any]) -> None:
    met = run(settings(), [record(event)])
    count(met, pending=1)
    assert met.partition.watermark == event["ts"]


def test_white_space_and_the_order_of_fields_do_not_matter() -> None:
    met = run(settings(), [Record(b'\n{ "ts" : 5, "item_id":"i","user_id" :"u", "type":"click" }\r\n ')])
    count(met, pending=1)


def test_of_a_field_given_twice_the_last_counts() -> None:
    met = run(
        settings(), [Record(b'{"type":"click","user_id":"u","item_id":"a","item_id":"b","ts":5}'), ticked(6)]
    )
    assert [row.item for row in met.samples] == ["b"]


@pytest.mark.parametrize("number", [0, -5, 7, 2**31, 2**63 - 1, -(2**63)])
def test_an_integer_is_its_decimal_digits(number: int) -> None:
    met = all_of(
        impression(number, number, number, 5, categories=[number, "c"]),
        click(str(number), "other", 6, impression_id=str(number)),
        click(number, number, 8),
    )
    digits = str(number)
    assert met.samples == [
        Row(0, 6, digits, digits, digits, (digits, "c"), (), 1),
        Row(1, 8, digits, digits, "", (), (digits,), 1),
    ]


def test_ids_are_kept_as_they_are_written() -> None:
    names = ["a", "a\0", "A", " a", "\u00e9", "e\u0301", "\uffff", "😀", '"', "\\", "\n", "null", "1.0", "01"]
    met = all_of(*(click(name, name, 5, categories=[name, name]) for name in names))
    expected = sorted(names, key=str.encode)
    assert [(row.user, row.item, row.categories) for row in met.samples] == [
        (name, name, (name, name)) for name in expected
    ]


# ---- watermark, late, future, ticks


def test_the_watermark_is_the_largest_time_less_the_lateness() -> None:
    met = run(settings(lateness=3), [record(click("u", "i", 20)), record(click("u", "i", 18))])
    assert met.partition.watermark == 17
    assert met.steps[-1].watermark == 17


def test_an_event_at_the_watermark_is_not_late_and_one_older_is() -> None:
    met = run(settings(lateness=3), [record(click("u", "i", ts)) for ts in (20, 17, 16)], [ticked(99)])
    assert [row.decided_at for row in met.samples] == [17, 20]
    count(met, used=2, late=1)


def test_the_watermark_of_its_place_decides_not_a_later_one() -> None:
    met = run(settings(), [record(click("u", "i", 5)), record(click("u", "i", 20)), ticked(21)])
    count(met, used=2)


@pytest.mark.parametrize(("ts", "dead"), [(110, 0), (111, 1)])
def test_an_event_beyond_its_timestamp_and_the_skew_is_dead_and_moves_no_watermark(
    ts: int, dead: int
) -> None:
    met = run(settings(max_skew=10), [record(click("u", "i", ts), timestamp=100)])
    assert met.partition.watermark == (BEFORE_ALL if dead else ts)
    assert [reason.startswith("future") for _, _, reason in met.dead] == [True] * dead
    count(met, **({"dead": 1} if dead else {"pending": 1}))


def test_future_comes_before_late_for_a_tick_may_lie_beyond_the_clock() -> None:
    met = run(settings(), [ticked(1_000), record(click("u", "i", 500), timestamp=100)])
    count(met, dead=1)


def test_ticks_move_the_watermark_forward_only_and_count_nowhere() -> None:
    met = run(settings(), [ticked(30)], [ticked(20)], [ticked(0)])
    assert met.partition.watermark == 30
    count(met)


def test_a_tick_makes_events_below_it_late() -> None:
    met = run(settings(), [ticked(30), record(click("u", "i", 29)), record(click("u", "i", 30)), ticked(31)])
    count(met, used=1, late=1)


def test_a_tick_lies_in_no_future() -> None:
    met = run(settings(), [Record(ticked(50).value, timestamp=1)])
    assert met.partition.watermark == 50


@pytest.mark.parametrize(
    "value",
    [
        b'{"type":"tick","watermark":7}',
        b'{"watermark":7,"end":false,"type":"tick","by":"replay"}',
        b'{"type":"tick","watermark":7,"user_id":5,"ts":"x"}',
    ],
)
def test_a_tick_is_a_tick_however_it_is_written(value: bytes) -> None:
    met = run(settings(), [Record(value)])
    assert (met.partition.watermark, met.partition.ends) == (7, 0)
    count(met)


def test_a_late_event_moves_nothing() -> None:
    met = run(settings(lateness=2), [ticked(30), record(click("u", "i", 29))])
    assert met.partition.watermark == 30
    assert met.histories == {}


# ---- the same row of a source twice


def test_a_row_of_a_source_that_is_pending_is_a_duplicate() -> None:
    once = record(click("u", "i", 5), source=b"s", row=3)
    met = run(settings(), [once, once], [once], [ticked(6)])
    assert len(met.samples) == 1
    count(met, used=1, duplicate=2)


def test_a_row_of_a_source_that_is_pending_moves_no_watermark() -> None:
    met = run(
        settings(lateness=5),
        [
            record(click("u", "i", 5), source=b"s", row=3),
            record(click("u", "i", 50), source=b"s", row=3),
        ],
    )
    assert met.partition.watermark == 0
    count(met, pending=1, duplicate=1)


def test_a_row_that_comes_again_after_it_was_taken_is_late() -> None:
    once = record(click("u", "i", 5), source=b"s", row=3)
    count(run(settings(), [once, ticked(6), once]), used=1, late=1)


def test_a_row_whose_equal_was_late_or_dead_is_no_duplicate() -> None:
    met = run(
        settings(),
        [
            record(click("u", "i", 500), source=b"s", row=3, timestamp=10),
            ticked(20),
            record(click("u", "i", 5), source=b"s", row=3),
            record(click("u", "i", 25), source=b"s", row=3),
        ],
    )
    count(met, dead=1, late=1, pending=1)


@pytest.mark.parametrize("named", [{"source": b"s"}, {"row": 3}, {}])
def test_without_a_source_or_a_row_events_are_not_told_apart(named: dict[str, Any]) -> None:
    once = record(click("u", "i", 5), **named)
    count(run(settings(), [once, once]), pending=2)


def test_rows_of_other_sources_are_other_rows() -> None:
    event = click("u", "i", 5)
    pairs = [(b"s", 3), (b"t", 3), (b"s", 4), (b"", 3), (b"s", 0)]
    count(run(settings(), [record(event, source=source, row=row) for source, row in pairs]), pending=5)


# ---- impressions and clicks


def test_an_impression_without_a_click_is_decided_after_the_window_with_label_0() -> None:
    met = all_of(impression("p", "u", "i", 5, categories=["b", "a", "b"]))
    assert met.samples == [Row(0, 15, "u", "i", "p", ("b", "a", "b"), (), 0)]
    assert met.histories == {}
    count(met, used=1)


def test_an_impression_with_a_click_is_decided_at_the_click_and_stays_itself() -> None:
    met = all_of(
        impression("p", "u", "i", 5, categories=["c"]),
        click("u", "j", 9, impression_id="p", categories=["d", "e"]),
    )
    assert met.samples == [Row(0, 9, "u", "i", "p", ("c",), (), 1)]
    assert met.histories == {"u": (["i"], [9])}
    count(met, used=2)


@pytest.mark.parametrize(
    ("ts", "outcome"),
    [(4, "dead"), (5, "used"), (14, "used"), (15, "delayed"), (34, "delayed"), (35, "dead")],
)
def test_when_a_click_comes_decides_what_it_is(ts: int, outcome: str) -> None:
    met = all_of(impression("p", "u", "i", 5), click("u", "i", ts, impression_id="p"))
    expected = {"used": 1}
    expected[outcome] = expected.get(outcome, 0) + 1
    count(met, **expected)
    assert [(row.decided_at, row.label) for row in met.samples] == [(ts, 1) if outcome == "used" else (15, 0)]
    assert [reason.startswith("unknown impression") for *_, reason in met.dead] == [True] * len(met.dead)


def test_a_click_of_another_user_or_of_no_impression_is_dead() -> None:
    met = all_of(
        impression("p", "u", "i", 5),
        click("v", "i", 6, impression_id="p"),
        click("u", "i", 6, impression_id="q"),
    )
    assert [(offset, reason.startswith("unknown impression")) for offset, _, reason in met.dead] == [
        (8, True),
        (11, True),
    ]
    count(met, used=1, dead=2)


def test_an_unknown_click_is_dead_when_it_is_taken_and_pending_before() -> None:
    lonely = record(click("u", "i", 5, impression_id="p"))
    met = run(settings(), [lonely])
    count(met, pending=1)
    (step,) = met.step([ticked(6)])
    assert [(one.offset, one.value) for one in step.dead] == [(5, lonely.value)]
    count(met, dead=1)


def test_a_click_that_arrives_before_its_impression_counts_if_it_is_not_older() -> None:
    met = run(
        settings(lateness=5),
        [record(click("u", "i", 5, impression_id="p"))],
        [record(impression("p", "u", "i", 5))],
        [ticked(6)],
    )
    assert [row.label for row in met.samples] == [1]
    count(met, used=2)


@pytest.mark.parametrize("first", [6, 20])
def test_a_second_click_is_a_duplicate_whether_the_first_was_in_time_or_delayed(first: int) -> None:
    met = all_of(
        impression("p", "u", "i", 5),
        *(click("u", "i", ts, impression_id="p") for ts in (first, first + 1, first + 2)),
    )
    count(met, duplicate=2, **({"used": 2} if first == 6 else {"used": 1, "delayed": 1}))
    assert len(met.samples) == 1


def test_a_second_click_that_would_be_delayed_is_a_duplicate() -> None:
    met = all_of(impression("p", "u", "i", 5), *(click("u", "i", ts, impression_id="p") for ts in (6, 20)))
    count(met, used=2, duplicate=1)


@pytest.mark.parametrize(("ts", "duplicate"), [(5, 1), (34, 1), (35, 0), (36, 0)])
def test_an_impression_id_is_remembered_for_the_window_and_the_memory(ts: int, duplicate: int) -> None:
    met = all_of(impression("p", "u", "a", 5), impression("p", "u", "b", ts))
    assert [row.item for row in met.samples] == ["a", "b"][: 2 - duplicate]
    count(met, used=2 - duplicate, **({"duplicate": 1} if duplicate else {}))


def test_a_duplicate_impression_does_not_prolong_the_memory() -> None:
    met = all_of(*(impression("p", "u", "i", ts) for ts in (5, 30, 35)))
    assert [row.decided_at for row in met.samples] == [15, 45]


def test_an_impression_id_that_comes_anew_can_be_clicked_anew() -> None:
    met = all_of(
        impression("p", "u", "a", 5),
        click("u", "a", 6, impression_id="p"),
        impression("p", "u", "b", 40),
        click("u", "b", 41, impression_id="p"),
    )
    assert [(row.decided_at, row.item, row.label, row.history) for row in met.samples] == [
        (6, "a", 1, ()),
        (41, "b", 1, ("a",)),
    ]


def test_ids_are_remembered_over_steps() -> None:
    met = run(
        settings(),
        [record(impression("p", "u", "i", 5)), ticked(20)],
        [record(impression("p", "u", "j", 21)), ticked(22)],
        [record(click("u", "i", 23, impression_id="p")), ticked(24)],
        [record(click("u", "i", 25, impression_id="p")), ticked(26)],
        [record(click("u", "i", 35, impression_id="p")), ticked(36)],
    )
    count(met, used=1, duplicate=2, delayed=1, dead=1)


def test_the_impression_id_belongs_to_the_user() -> None:
    met = all_of(
        impression("p", "u", "a", 5), impression("p", "v", "b", 5), click("v", "b", 6, impression_id="p")
    )
    assert [(row.user, row.label) for row in met.samples] == [("v", 1), ("u", 0)]


def test_of_impressions_of_one_time_with_one_id_the_smaller_item_is_the_sample() -> None:
    for items in ("ab", "ba"):
        met = all_of(*(impression("p", "u", item, 5) for item in items))
        assert [row.item for row in met.samples] == ["a"]
        count(met, used=1, duplicate=1)


def test_a_click_without_an_impression_is_a_sample_of_its_own() -> None:
    met = all_of(click("u", "i", 5, categories=["c"]), click("u", "i", 7, impression_id=None))
    assert met.samples == [Row(0, 5, "u", "i", "", ("c",), (), 1), Row(1, 7, "u", "i", "", (), ("i",), 1)]
    count(met, used=2)


def test_equal_clicks_without_an_impression_are_as_many_samples() -> None:
    met = all_of(*[click("u", "i", 5)] * 3)
    assert [row.number for row in met.samples] == [0, 1, 2]
    assert len(set(met.hashes)) == 1
    assert met.histories == {"u": (["i"] * 3, [5] * 3)}


def test_with_no_window_every_click_is_delayed() -> None:
    met = all_of(impression("p", "u", "i", 5), click("u", "i", 5, impression_id="p"), window=0)
    assert [(row.decided_at, row.label) for row in met.samples] == [(5, 0)]
    count(met, used=1, delayed=1)


# ---- histories


def test_a_history_holds_the_positives_strictly_before_newest_first() -> None:
    met = all_of(
        click("u", "a", 1),
        click("u", "b", 2),
        impression("p", "u", "x", 3),
        click("u", "c", 3),
        click("u", "d", 4),
    )
    by_item = {row.item: row.history for row in met.samples}
    assert by_item == {
        "a": (), "b": ("a",), "x": ("b", "a"), "c": ("b", "a"), "d": ("c", "b", "a")
    }  # fmt: skip


def test_the_history_is_that_of_the_impression_not_of_its_click() -> None:
    met = all_of(impression("p", "u", "x", 3), click("u", "a", 4), click("u", "x", 5, impression_id="p"))
    assert [(row.item, row.history) for row in met.samples] == [("a", ()), ("x", ())]
    assert met.histories == {"u": (["x", "a"], [5, 4])}


def test_a_positive_counts_from_the_time_of_its_click_with_the_item_of_its_impression() -> None:
    met = all_of(
        impression("p", "u", "x", 3),
        impression("q", "u", "y", 5),
        click("u", "other", 5, impression_id="p"),
        impression("r", "u", "z", 6),
    )
    assert {row.item: row.history for row in met.samples} == {"x": (), "y": (), "z": ("x",)}


def test_delayed_unknown_repeated_and_late_clicks_enter_no_history() -> None:
    met = run(
        settings(lateness=40),
        [
            record(impression("p", "u", "x", 5)),
            record(click("u", "x", 20, impression_id="p")),
            record(click("u", "x", 21, impression_id="p")),
            record(click("u", "y", 22, impression_id="q")),
            ticked(30),
            record(click("u", "z", 29)),
            record(impression("r", "u", "w", 31)),
            ticked(99),
        ],
    )
    assert [row.history for row in met.samples] == [(), ()]
    assert met.histories == {}
    count(met, used=2, delayed=1, duplicate=1, dead=1, late=1)


def test_of_positives_of_one_time_the_later_taken_is_the_newer() -> None:
    clicks = [click("u", item, 5) for item in ("b", "a", "c")]
    met = all_of(*clicks, impression("p", "u", "x", 6))
    assert met.samples[-1].history == ("c", "b", "a")


def test_clicks_of_one_time_are_taken_by_their_own_item_then_their_impression_id() -> None:
    met = all_of(
        impression("p", "u", "m", 1),
        impression("q", "u", "n", 1),
        click("u", "b", 5, impression_id="p"),
        click("u", "a", 5, impression_id="q"),
        click("u", "b", 5),
        impression("x", "u", "x", 6),
    )
    assert met.samples[-1].history == ("m", "b", "n")


def test_a_history_is_the_last_thirty() -> None:
    met = all_of(*(click("u", str(ts), ts) for ts in range(100)))
    assert HISTORY == 30
    assert met.samples[-1].history == tuple(str(ts) for ts in range(98, 68, -1))
    assert met.histories == {
        "u": ([str(ts) for ts in range(99, 69, -1)], list(range(99, 69, -1)))
    }  # fmt: skip


@pytest.mark.parametrize("split", [False, True])
def test_more_than_thirty_positives_of_one_time_hide_none_before_them(split: bool) -> None:
    """Whoever keeps thirty and then leaves out those of equal time has too few."""
    first = [record(click("u", f"a{item:02}", 1)) for item in range(35)]
    then = [record(click("u", f"b{item:02}", 5)) for item in range(40)]
    shown = [record(impression("p", "u", "x", 5)), ticked(99)]
    log = [first, then, shown] if split else [[*first, *then, *shown]]
    met = run(settings(lateness=4), *log)
    before = tuple(f"a{item:02}" for item in range(34, 4, -1))
    assert {row.history for row in met.samples if row.decided_at > 1} == {before}


def test_users_do_not_see_each_other() -> None:
    met = all_of(click("u", "a", 1), click("v", "b", 2), impression("p", "u", "x", 3))
    assert [row.history for row in met.samples] == [(), (), ("a",)]
    assert met.histories == {"u": (["a"], [1]), "v": (["b"], [2])}


def test_a_step_tells_the_histories_of_those_it_changed_and_of_nobody_else() -> None:
    met = run(settings(), [record(click("u", "a", 1)), record(click("v", "b", 2)), ticked(3)])
    (step,) = met.step([record(click("u", "c", 4)), record(impression("p", "v", "x", 4)), ticked(5)])
    assert [(user, history.items, history.times) for user, history in step.histories] == [
        ("u", ["c", "a"], [4, 1])
    ]


# ---- Order, numbers, steps


def test_samples_leave_in_order_with_numbers_from_zero() -> None:
    met = all_of(
        click("z", "a", 5),
        click("é", "a", 5),
        click("Z", "a", 5),
        click("10", "a", 5),
        click("9", "a", 5),
        click("9", "é", 5),
        click("9", "b", 5),
        click("\uffff", "a", 5),
        click("😀", "a", 5),
        click("a", "a", 4),
        impression("p", "A", "a", 0, categories=["c"]),
    )
    assert [(row.number, row.user, row.item) for row in met.samples] == list(
        zip(range(11), ["a", "10", "9", "9", "9", "Z", "z", "é", "\uffff", "😀", "A"],
            ["a", "a", "a", "b", "é", "a", "a", "a", "a", "a", "a"], strict=True)
    )  # fmt: skip


def test_samples_of_one_time_user_and_item_are_ordered_by_impression_id() -> None:
    met = all_of(
        *(impression(identifier, "u", "i", 5) for identifier in ("é", "b", "10", "9")), click("u", "i", 15)
    )
    assert [row.impression_id for row in met.samples] == ["", "10", "9", "b", "é"]


def test_a_sample_leaves_when_the_watermark_has_passed_its_time() -> None:
    met = run(settings(), [record(impression("p", "u", "i", 5)), ticked(15)])
    assert met.samples == []
    count(met, used=1)
    assert [len(step.samples) for step in met.step([ticked(16)])] == [1]


def test_a_clicked_sample_leaves_before_older_impressions_that_are_undecided() -> None:
    met = run(
        settings(),
        [
            record(impression("p", "u", "a", 1)),
            record(impression("q", "u", "b", 2)),
            record(click("u", "b", 3, impression_id="q")),
            ticked(4),
        ],
    )
    assert [(row.number, row.item) for row in met.samples] == [(0, "b")]
    met.step([ticked(99)])
    assert [(row.number, row.item) for row in met.samples] == [(0, "b"), (1, "a")]


def test_numbers_go_on_from_step_to_step() -> None:
    met = run(settings(), *([record(click("u", "i", ts)), ticked(ts + 1)] for ts in range(4)))
    assert [row.number for step in met.steps for row in rows(step.samples)] == [0, 1, 2, 3]
    assert [step.watermark for step in met.steps] == [1, 2, 3, 4]


def test_what_lies_behind_an_end_is_not_in_its_step() -> None:
    met = run(
        settings(),
        [
            record(click("u", "a", 1)),
            ticked(5, end=True),
            record(click("u", "b", 6)),
            ticked(9, end=True),
            record(click("u", "c", 10)),
            ticked(11),
        ],
    )
    seen = [(step.ends, step.watermark, [row.item for row in rows(step.samples)]) for step in met.steps]
    assert [one for one in seen if one[2]] == [(1, 5, ["a"]), (2, 9, ["b"]), (2, 11, ["c"])]
    assert met.partition.ends == 2


def test_an_end_that_is_behind_the_watermark_is_an_end_nevertheless() -> None:
    met = run(settings(), [record(click("u", "a", 50)), ticked(5, end=True)])
    assert (met.partition.ends, met.partition.watermark) == (1, 50)
    assert (met.steps[-1].ends, met.steps[-1].watermark) == (1, 50)


def test_ends_stay_counted_in_the_steps_that_follow() -> None:
    met = run(settings(), [ticked(5, end=True)], [record(click("u", "a", 6))])
    assert [step.ends for step in met.steps] == [1] * len(met.steps)


# ---- row hashes

CONTENT = impression("p", "u", "i", 5, categories=["a", "b"])


def last_hash(event: dict[str, Any], *before: dict[str, Any], **more: int) -> int:
    return all_of(*before, event, **more).hashes[-1]


def test_the_hash_of_a_row_is_that_of_its_content_whatever_its_number_and_its_partition() -> None:
    others = [click(f"x{number}", f"y{number}", 1, categories=[f"z{number}"]) for number in range(50)]
    met = all_of(*others, CONTENT)
    assert met.samples[-1].number == 50
    assert met.hashes[-1] == last_hash(CONTENT)


def test_equal_histories_hash_equally_however_they_came_about() -> None:
    past = [click("u", item, ts) for ts, item in enumerate("abc")]
    other = [click("u", item, ts + 1, impression_id=item) for ts, item in enumerate("abc")]
    shown = [impression(item, "u", item, 0) for item in "abc"]
    assert last_hash(CONTENT, *past) == last_hash(CONTENT, *shown, *other)


def test_rows_that_differ_in_anything_have_different_hashes() -> None:
    events = [
        CONTENT,
        CONTENT | {"ts": 6},
        CONTENT | {"user_id": "v"},
        CONTENT | {"item_id": "j"},
        CONTENT | {"impression_id": "q"},
        CONTENT | {"user_id": "ui", "item_id": "p", "impression_id": "i"},
        CONTENT | {"user_id": "i", "item_id": "u"},
        CONTENT | {"categories": []},
        CONTENT | {"categories": ["a"]},
        CONTENT | {"categories": ["b", "a"]},
        CONTENT | {"categories": ["ab"]},
        CONTENT | {"categories": ["a", "b", "b"]},
        CONTENT | {"categories": ["a\0", "b"]},
        CONTENT | {"categories": ["ab", " "]},
        click("u", "i", 15),
        click("u", "i", 15, categories=["a", "b"]),
    ]
    hashes = [last_hash(event) for event in events]
    histories: list[list[str]] = [["a"], ["b"], ["a", "b"], ["b", "a"], ["ab"], ["a", "b", "a"], ["i"]]
    for history in histories:
        past = [click("u", item, ts) for ts, item in enumerate(history)]
        hashes.append(last_hash(CONTENT, *past))
        hashes.append(last_hash(CONTENT | {"categories": []}, *past))
    clicked = all_of(CONTENT | {"ts": 14}, click("u", "i", 15, impression_id="p"))
    hashes.append(clicked.hashes[-1])
    assert len(set(hashes)) == len(hashes)


def test_the_tick_behind_events_near_the_beginning_of_time_is_a_good_one() -> None:
    early = Record(tick(5 - 60_000))
    met = run(settings(), [record(click("u", "i", 5)), early, ticked(6)])
    assert met.dead == []
    assert [row.decided_at for row in met.samples] == [5]
    count(met, used=1)
