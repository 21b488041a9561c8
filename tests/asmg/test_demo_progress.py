"""What is shown while it runs: one line a period where nothing can be drawn."""

import io

import pytest
from rich.console import Console

from asmg.progress import Moment, Progress, Rate
from serving.board import Row, Swap, rows
from trainer.announced import Announced


@pytest.fixture
def served(announced: Announced, swaps: dict[int, Swap]) -> list[Row]:
    return rows(announced, swaps)


def moment(served: list[Row]) -> Moment:
    return Moment(1_000, 5_000, served, "Serving Θ* of period 4", "http://127.0.0.1:8080")


def test_on_no_terminal_a_period_is_told_of_once_when_it_is_served(served: list[Row]) -> None:
    text = io.StringIO()
    with Progress(Console(file=text, width=200)) as progress:
        for shown in (served[:1], served[:2], served[:2], served):
            progress.show(moment(shown))
    lines = text.getvalue().splitlines()
    assert [line.split(":")[0] for line in lines] == ["period 2", "period 3", "period 4"]
    assert lines[0].endswith("1,000 of 5,000 events sent")


def test_on_a_terminal_bar_sentence_address_and_periods_are_drawn(served: list[Row]) -> None:
    text = io.StringIO()
    with Progress(Console(file=text, width=160, force_terminal=True)) as progress:
        progress.show(moment(served))
    for part in ("1,000 of 5,000 events", "Serving Θ* of period 4", "http://127.0.0.1:8080", "0.7500"):
        assert part in text.getvalue()


def test_the_rate_is_that_of_the_last_seconds() -> None:
    rate = Rate()
    assert rate.at(0.0, 100) == 0.0
    assert rate.at(5.0, 600) == 100.0
    assert rate.at(14.0, 3_300) == 300.0  # since 5.0
