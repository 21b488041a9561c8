"""The page in a terminal: every fact of it, whatever the width, and what is left where serving is silent."""

import io
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from rich.console import Console
from status_telling import AT, SENTENCE, telling

from asmg.hearing import Heard
from asmg.screen.figures import count, ms, rate, span, spark
from asmg.screen.layout import Screen
from asmg.seen import Seen, described
from asmg.stages import Stages
from serving.board import Measure, Row, Swap, rows
from serving.state import State
from stream.records import Drift
from trainer.announced import Announced

HERE = "http://127.0.0.1:8080"
WIDTHS = (80, 120, 140)

Look = Callable[..., Seen]


@pytest.fixture
def closed(announced: Announced, swaps: dict[int, Swap]) -> list[Row]:
    """Periods with a shadow and drift, opened five seconds before they closed, trained one after."""
    return [
        msgspec.structs.replace(
            row,
            opened_at=row.closed_at - 5_000,
            trained_at=row.closed_at + 250,
            generated_at=row.closed_at + 750 if row.period > 1 else None,
            shadows={"iu": Measure(0.6, 0.6)},
            drift=Drift(0.125, 0.25) if row.period > 1 else None,
        )
        for row in rows(announced, swaps)
    ]


@pytest.fixture
def look(announced: Announced, closed: list[Row]) -> Look:
    """The loop with serving's telling, or without it."""

    def made(heard: Heard | None = None, trouble: str | None = None, **other: Any) -> Seen:
        state = msgspec.convert(telling(closed, **other), State)
        return Seen(
            at=AT,
            prefix="test.",
            stages=Stages.of(announced, {}),
            rows=closed,
            last=announced.manifests[-1],
            heard=heard or Heard(HERE, state, None, state, AT),
            trouble=trouble,
        )

    return made


def drawn(seen: Seen, width: int, height: int | None = None, colours: bool = False) -> str:
    """As printed; with a height as on a screen that is so high."""
    file = io.StringIO()
    console = Console(
        file=file, width=width, height=height or 100, force_terminal=colours, no_color=not colours
    )
    console.print(Screen(seen, fits=height is not None))
    return file.getvalue()


def line_of(text: str, *begin: str) -> list[str]:
    """The words of the first line that begins with these."""
    return next(line.split() for line in text.splitlines() if line.split()[: len(begin)] == list(begin))


@pytest.mark.parametrize("width", WIDTHS)
def test_all_that_the_page_shows_is_there_and_nothing_is_cut(look: Look, width: int) -> None:
    text = drawn(look(), width)
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    for fact in (
        f"OK {SENTENCE}",
        "1.2 s from last event to served, median 1.2 s",
        "900/s, 123,456 records in all",
        "312/s, 51,204 in all, 3 refused (429)",
        "p50 2.0 ms, p99 8.5 ms",
        "0.125 from period to period, 25.0 % on new items",
        "100 events: 90 used, 5 late, 2 delayed, 2 duplicate, 1 dead",
        "Θ* 4: because",
        "4711 Θ* 4 26,010",
        "4712 Θ 3, another 25,194",
        "window 4 0 events",
        "generate 4 0 periods",
        "serve 4 0 words",
        "histories – 56 records",
        "last swap",
        "2.0 s ago, took 0.1 s",
    ):
        assert fact in words
    assert "…" not in text


def test_each_method_has_its_last_scores_and_means(look: Look) -> None:
    text = drawn(look(), 80)
    assert line_of(text, "Θ")[:3] == ["Θ", "0.7000", "0.7000"]
    assert line_of(text, "Θ*")[1] == "0.7500"
    assert line_of(text, "iu")[:3] == ["iu", "0.6000", "0.6000"]
    assert line_of(text, "iu")[-3:] == ["0.6000", "0.6000", "▁▁▁▁"]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_period_is_told_from_open_to_served(look: Look, width: int) -> None:
    found = line_of(drawn(look(), width), "4", "20")
    times = " ".join(found[2:14])
    assert times == "5.0 s 0.2 s 0.5 s 0.2 s 1.0 s 1.2 s"  # open, + Θ, + Θ*, + swap, in all, fresh
    new = ["25.0", "%"] if width >= 120 else []
    assert found[14 : 19 + len(new)] == ["Θ*", "4", "0.125", *new, "2", "1"]


def test_the_bar_of_a_period_is_as_long_as_its_stages(look: Look) -> None:
    bar = line_of(drawn(look(), 140), "4", "20")[-1]
    assert bar.count("█") == pytest.approx(len(bar) / 4, abs=1)
    assert bar.count("▓") == pytest.approx(len(bar) / 2, abs=1)
    assert bar.count("▒") == pytest.approx(len(bar) / 4, abs=1)


def test_the_open_period_grows_older_until_the_stream_ends(look: Look, closed: list[Row]) -> None:
    assert closed[-1].reason == "end"
    assert "collecting" not in drawn(look(), 140)
    closed[-1] = msgspec.structs.replace(closed[-1], reason="count")
    assert line_of(drawn(look(), 140), "5") == ["5", "3.0", "s", "collecting", "events"]


@pytest.mark.parametrize(
    ("level", "word", "colour"), [("green", "OK", 32), ("amber", "AMBER", 33), ("red", "RED", 31)]
)
def test_the_sentence_has_the_colour_of_its_level(look: Look, level: str, word: str, colour: int) -> None:
    seen = look(health={"ok": level != "red", "level": level, "sentence": "So it is"})
    assert f"\x1b[1;{colour}mSo it is" in drawn(seen, 80, colours=True)
    assert f" {word}  So it is" in drawn(seen, 80)


def test_a_canary_is_shown_when_it_is_on(look: Look) -> None:
    assert "Canary" not in drawn(look(), 80)
    arms = [
        {"kind": "star", "impressions": 20_000, "clicks": 640, "click_through": 0.032, "logloss": 0.2761},
        {"kind": "theta"},
    ]
    text = " ".join(drawn(look(canary={"share": 0.05, "arms": arms}), 80).split())
    assert "Canary Θ 5 %: 0 shown Θ* 95 %: 20,000 shown, 3.20 % clicked, LogLoss 0.2761" in text


def test_of_many_processes_those_with_another_model_come_first(look: Look) -> None:
    many = [{"pid": 100 + one, "version": 4, "kind": "star", "requests": 1_000} for one in range(64)]
    text = drawn(look(processes=[*many, {"pid": 99}]), 80)
    assert "99      none yet" in text
    assert "61 more the same" in text
    assert "61,000" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_where_serving_is_silent_it_is_said_and_what_kafka_tells_is_shown(look: Look, width: int) -> None:
    text = drawn(look(Heard(HERE, None, "connection refused")), width)
    assert f"RED  Serving does not answer: connection refused at {HERE}" in text
    assert "Below is what Kafka tells" in text
    for absent in ("Requests", "Latency", "process", "Events", SENTENCE):
        assert absent not in text
    words = " ".join(text.split())
    for fact in ("window 4 0 events", "serve – – words", "Θ* 0.7500", "Θ* 4: because", " 4 20 5.0 s"):
        assert fact in words


def test_when_serving_was_heard_last_is_told(look: Look) -> None:
    before = look().heard.state
    text = drawn(look(Heard(HERE, None, "timed out", before, AT)), 80)
    assert "It last did at " in text
    assert ", with Θ* 4; below is what Kafka tells" in text


def test_old_figures_and_a_silent_kafka_are_told(look: Look) -> None:
    seen = look(now={"at": AT - 34_000})
    assert "Its figures are 34 s old: its keeper tells nothing" in drawn(seen, 80)
    assert "Its figures" not in drawn(look(), 80)
    assert "Kafka does not tell where windowing is: timed out" in drawn(look(trouble="timed out"), 80)


def test_a_screen_has_as_many_periods_as_there_is_room_for(look: Look, closed: list[Row]) -> None:
    last = closed[-1]
    closed += [msgspec.structs.replace(last, period=period) for period in range(5, 31)]
    for height, shown in ((24, 2), (30, 8), (60, 12)):
        text = drawn(look(), 80, height)
        assert len(text.splitlines()) <= height
        *_, table = text.partition("period samples")
        periods = [int(line.split()[0]) for line in table.splitlines()[1:]]
        assert periods == list(range(30, 30 - shown, -1))
    assert "and 18 before them: asmg status --json" in drawn(look(), 80)


def test_before_anything_has_closed_there_are_no_tables(closed: list[Row], look: Look) -> None:
    closed.clear()
    seen = look(serving=None, processes=[], taken=None, swaps=[])
    text = drawn(seen, 80)
    assert "no model yet" in text
    assert "No period has closed yet." in text
    assert "method" not in text


def test_machines_are_told_the_same(look: Look) -> None:
    told = described(look())
    state = {
        name: value for name, value in telling([]).items() if name not in ("periods", "moments", "swaps")
    }
    assert told["serving"] == {"address": HERE, "answers": True, "trouble": None, "told": state}
    assert told["freshness_seconds"] == {"last": 1.2, "median": 1.2}
    assert told["compared"]["iu"] == {"auc": 0.6, "logloss": 0.6}
    assert told["periods"][-1]["freshness_seconds"] == 1.2
    silent = described(look(Heard(HERE, None, "timed out"), trouble="it is away"))
    assert silent["serving"] == {"address": HERE, "answers": False, "trouble": "timed out", "told": None}
    assert (silent["closed"], silent["kafka_trouble"]) == (4, "it is away")


def test_numbers_are_written_as_on_the_page() -> None:
    assert [span(one) for one in (None, 0.05, 9.94, 42.4, 600, 9_000, 200_000)] == [
        *("–", "50 ms", "9.9 s", "42 s", "10 min", "2.5 h", "2.3 d"),
    ]
    assert [rate(one) for one in (0, 0.5, 9.99, 1234)] == ["0", "0.5", "10", "1,234"]
    assert [ms(one) for one in (None, 2.04, 123.4)] == ["–", "2.0", "123"]
    assert [count(one) for one in (12, 99_999, 1_234_567)] == ["12", "99,999", "1.2 M"]
    assert str(spark([9, 0, None, 4, 8], 4)) == "▁ ▅█"
    assert str(spark([3, 3], 9, least=3)) == "▁▁"
    assert str(spark([1], 9)) == ""
