"""One sentence says how serving is, and its colour whether to act."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from serving.board import Measure, Row, Seconds, Served
from serving.canary import Arm, Canary
from serving.health import Standing, health
from stream.records import Kind, Serve


def row(period: int, theta: float | None = 0.60, star: float | None = 0.59, fresh: float | None = 4.2) -> Row:
    return Row(
        period=period,
        samples=1,
        reason="count",
        opened_at=1,
        closed_at=2,
        trained_at=3,
        generated_at=4,
        served_at=5,
        theta=Measure(0.7, theta),
        star=Measure(0.7, star) if star else None,
        shadows={},
        served=Served(period, "star"),
        word=Served(period, "star"),
        gate="",
        seconds=Seconds(),
        freshness_seconds=fresh,
    )


def standing(version: int, kind: Kind = "star") -> Standing:
    return Standing(version, kind, version, 1)


def word(version: int, kind: Kind = "star", **more: str) -> Serve:
    return Serve(period=version, kind=kind, version=version, **{"reason": "warm-up", **more})  # type: ignore[arg-type]


def test_all_is_well() -> None:
    said = health(standing(27), word(27), [row(26), row(27)], None)
    assert said.ok
    assert said.level == "green"
    assert (
        said.sentence == "Serving Θ* of period 27, 4.2 s behind the last event, ahead of Θ by 1.7 % LogLoss"
    )


def test_a_generated_model_that_is_worse_is_said_to_be() -> None:
    assert "behind Θ by 5.0 % LogLoss" in health(standing(1), word(1), [row(1, 0.6, 0.63)], None).sentence


def test_the_average_is_compared_by_its_own_scores() -> None:
    rows = [replace(row(one), ema=Measure(0.7, 0.588)) for one in (26, 27)]
    said = health(standing(27, "ema"), word(27, "ema"), rows, None)
    assert said.level == "green"
    assert said.sentence == "Serving EMA of period 27, ahead of Θ by 2.0 % LogLoss"


@pytest.mark.parametrize(
    ("closed", "waits"), [(0, "waiting for period 1 to close"), (1, "period 1 is closed")]
)
def test_no_model_yet_is_red(closed: int, waits: str) -> None:
    said = health(None, None, [row(one) for one in range(1, closed + 1)], None)
    assert (said.ok, said.level) == (False, "red")
    assert said.sentence.startswith("No model yet")
    assert waits in said.sentence


def test_no_model_because_the_store_refused_one_says_so() -> None:
    assert health(None, word(1), [row(1)], "part x is missing").sentence == "No model yet: part x is missing"


@pytest.mark.parametrize(("closed", "level"), [(27, "green"), (29, "green"), (30, "red")])
def test_more_than_two_periods_behind_is_red(closed: int, level: str) -> None:
    said = health(standing(27), word(27), [row(one) for one in range(1, closed + 1)], None)
    assert said.level == level
    assert ("periods behind the last one closed, 30" in said.sentence) == (level == "red")


def test_a_gate_that_keeps_the_base_model_is_amber_with_its_reason() -> None:
    said = health(standing(2, "theta"), word(2, "theta"), [row(2)], None)
    assert (said.ok, said.level) == (True, "amber")
    assert "the gate keeps Θ (warm-up)" in said.sentence


def test_a_refused_model_is_amber_while_the_last_one_serves() -> None:
    said = health(standing(2), word(3), [row(2), row(3)], "part x is corrupt")
    assert said.level == "amber"
    assert "since Θ* of period 3 was refused: part x is corrupt" in said.sentence


def test_a_hold_is_amber_names_who_holds_and_is_never_too_old() -> None:
    rows = [row(one) for one in range(1, 20)]
    said = health(standing(3), word(3, held_by="ada", reason="rollback"), rows, None)
    assert said.level == "amber"
    assert "held by ada: rollback" in said.sentence


@pytest.mark.parametrize(
    ("champion", "challenger", "share", "told"),
    [
        (Arm("star", 9_000, 1, 0.1, 0.25), Arm("theta", 1_240, 1, 0.1, 0.2623), 0.05, "Θ for 5 % of users, "
         "LogLoss 0.0123 worse over 1,240 impressions"),
        (Arm("theta", 100, 1, 0.1, 0.25), Arm("star", 100, 1, 0.1, 0.2), 0.125, "Θ* for 12.5 % of users, "
         "LogLoss 0.0500 better over 100 impressions"),
        (Arm("star", 9_000, 1, 0.1, 0.25), Arm("theta", 99, 1, 0.1, 0.2623), 0.05, None),
        (Arm("star", 99, 1, 0.1, 0.25), Arm("theta", 9_000, 1, 0.1, 0.2623), 0.05, None),
        (Arm("star"), Arm("theta"), 0.05, None),
    ],
)  # fmt: skip
def test_a_canary_is_told_of_once_enough_came_back_from_both_and_is_no_reason_to_act(
    champion: Arm, challenger: Arm, share: float, told: str | None
) -> None:
    without = health(standing(27), word(27), [row(27)], None)
    said = health(standing(27), word(27), [row(27)], None, canary=Canary(share, (champion, challenger)))
    assert (said.ok, said.level) == (without.ok, without.level) == (True, "green")
    assert said.sentence == without.sentence + (f", canary: {told}" if told else "")


@pytest.mark.parametrize(("fresh", "told"), [(4.24, "4.2 s"), (600.0, "10 min"), (10_000.0, "2.8 h")])
def test_freshness_has_a_unit_that_fits(fresh: float, told: str) -> None:
    assert f", {told} behind" in health(standing(1), word(1), [row(1, fresh=fresh)], None).sentence


def test_freshness_that_is_not_known_is_left_out() -> None:
    sentence = health(standing(1), word(1), [row(1, None, None, None)], None).sentence
    assert sentence == "Serving Θ* of period 1"
