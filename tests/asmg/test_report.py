"""What a demo came to: the figures that were promised, and a table of them."""

import io
import json
from dataclasses import replace

import msgspec
import pytest
from rich.console import Console

from asmg import report
from serving.board import Measure, Row, Swap, rows
from trainer.announced import Announced


@pytest.fixture
def outcome(announced: Announced, swaps: dict[int, Swap]) -> report.Outcome:
    return report.Outcome(rows(announced, swaps), announced, 99, 100, memory_mb=812.4, restarts={"window": 2})


def test_the_figures_have_the_promised_names(outcome: report.Outcome) -> None:
    made = report.figures(outcome)
    assert json.loads(json.dumps(made)) == made
    assert (made["events"], made["samples"], made["lost"]) == (99, 80, 0)
    assert made["events_per_second"] == 50.0
    assert made["freshness_seconds"] == {"p50": 1.2, "max": 1.2}
    last = made["periods"][-1]
    assert (last["period"], last["samples"]) == (4, 20)
    assert last["unused"] == {"late": 2, "delayed": 1, "duplicate": 1, "dead": 1}
    assert last["theta"] == {"auc": 0.7, "logloss": 0.5}
    assert last["star"] == {"auc": 0.75, "logloss": None}
    assert last["served"] == {"version": 4, "kind": "star"}
    assert last["seconds"] == {
        "close": 0.2,
        "train": 1.5,
        "generate": 2.5,
        "swap": 0.125,
        "close_to_served": 1.0,
    }
    assert made["restarts"] == {"window": 2}


def test_before_there_is_a_generated_model_there_is_none_in_the_figures(outcome: report.Outcome) -> None:
    first = report.figures(outcome)["periods"][0]
    assert first["star"] is None
    assert first["seconds"]["generate"] is None


def test_a_period_served_by_an_earlier_process_has_the_gates_word_and_no_seconds(
    outcome: report.Outcome,
) -> None:
    first = report.figures(outcome)["periods"][0]
    assert first["served"] == {"version": 1, "kind": "theta"}
    assert first["seconds"]["swap"] is None


def test_lost_is_what_windowing_does_not_speak_of() -> None:
    counts = {"used": 90, "pending": 1, "late": 2, "delayed": 3, "duplicate": 3, "dead": 1, "produced": 100}
    assert report.lost(100, 100, counts) == 0
    assert report.lost(98, 100, counts) == 0  # two were sent twice
    assert report.lost(103, 100, counts) == 3  # three never came to Kafka
    assert report.lost(98, 101, counts) == 1  # one was read by nobody
    assert report.lost(98, 99, counts) == -1  # one was counted twice


def test_hashes_are_of_everything_in_order(announced: Announced) -> None:
    made = report.hashes(announced)
    assert made["periods"] == [manifest.hash() for manifest in announced.manifests]
    assert [len(made[kind]) for kind in ("periods", "theta", "star")] == [5, 4, 3]
    assert made["star"][-1] == announced.models["star", 4].hash()


def test_the_table_has_a_row_a_period_and_fits_its_width(outcome: report.Outcome) -> None:
    console = Console(file=io.StringIO(), width=report.WIDTH)
    console.print(report.table(outcome.rows))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    last = next(line for line in lines if line.split()[:1] == ["4"])
    assert last.split() == [
        "4",
        "20",
        "0.7000",
        "0.7500",
        "0.5000",
        "–",
        "Θ*",
        "4",
        *["0.2", "1.5", "2.5", "0.1", "1.0"],
    ]
    assert max(map(len, lines)) <= report.WIDTH


def test_what_made_no_sample_is_told_fate_by_fate_and_period_by_period(outcome: report.Outcome) -> None:
    lines = report.summary(report.figures(outcome))
    assert "late by period: 1: 1, 2: 1, 3: 1, 4: 2" in lines
    assert "delayed by period: 2: 1, 4: 1" in lines
    assert "dead by period: 4: 1" in lines
    none = {1: dict.fromkeys(report.UNUSED, 0)}
    assert report.unused(none) == ["no event was late, delayed, duplicate or dead in any period"]


def test_the_summary_says_what_became_of_every_event(outcome: report.Outcome) -> None:
    text = "\n".join(report.summary(report.figures(outcome)))
    assert "99 events, 80 samples, 0 lost" in text
    assert "100 in Kafka = 90 used + 0 pending + 5 late + 2 delayed + 2 duplicate + 1 dead" in text
    assert "50 events/s" in text
    assert "812 MB" in text
    assert "window 2 times" in text
    assert "Kafka" not in text.splitlines()[-2]


def test_a_period_is_one_plain_line(outcome: report.Outcome) -> None:
    assert report.line(outcome.rows[-1]) == (
        "period 4: 20 samples, AUC Θ 0.7000 Θ* 0.7500, serves Θ* 4, 1.0 s from closed to served"
    )


def test_all_that_ran_is_compared_over_the_last_periods_in_which_all_were_scored(
    outcome: report.Outcome,
) -> None:
    first, *others = outcome.rows

    def scored(period: int, theta: float, shadow: float | None) -> Row:
        beside = {} if shadow is None else {"iu": Measure(shadow, 0.5)}
        return msgspec.structs.replace(
            first, period=period, theta=Measure(theta, 0.6), star=Measure(theta, 0.4), shadows=beside
        )

    rows = [scored(1, 0.1, None), *(scored(period, 0.6 + period / 100, 0.5) for period in range(2, 10))]
    compared = report.compared(rows)
    assert compared["Θ"] == {"auc": pytest.approx(0.66), "logloss": 0.6}  # periods 3-9
    assert compared["iu"] == {"auc": 0.5, "logloss": 0.5}
    assert list(compared) == ["Θ", "Θ*", "iu"]
    assert report.compared(rows[:1])["Θ"]["auc"] == 0.1
    assert report.compared([first, *others[:1]]) == {}
    made = report.figures(replace(outcome, rows=rows))
    assert made["periods"][1]["shadows"] == {"iu": {"auc": 0.5, "logloss": 0.5}}
    assert "iu 0.5000 / 0.5000" in " ".join(report.summary(made))
    console = Console(file=io.StringIO(), width=report.WIDTH)
    console.print(report.table(rows))
    assert "AUC iu" in console.file.getvalue()  # type: ignore[attr-defined]
