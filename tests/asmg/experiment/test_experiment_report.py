"""The arithmetic of a report, on figures made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asmg.experiment import draw, report
from asmg.experiment.significance import p_value


def line(period: int, auc: float | None, logloss: float | None, **seconds: float) -> dict[str, Any]:
    return {
        "period": period,
        "auc": auc,
        "logloss": logloss,
        "seconds": seconds,
        "peak_memory_mb": 100.0 + period,
    }


def made(star: float | None = 0.9) -> dict[str, Any]:
    """31 periods, two seeds: IU has AUC 0.8 and 0.82 on the last seven, and 0.1 before."""
    iu = [
        [line(period, auc if period > 24 else 0.1, 0.5, train=2.0) for period in range(1, 32)]
        for auc in (0.80, 0.82)
    ]
    plus = [
        [line(period, star if period > 24 else 0.1, 0.4, generate=3.0) for period in range(1, 32)]
        for _ in range(2)
    ]
    methods = report.figures({"iu": iu, "asmg-plus": plus}, {"iu": iu, "asmg-plus": iu}, first=2)
    return {"dataset": "clicks", "protocol": "stream", "periods": 31, "methods": methods}


def test_figures_are_means_over_the_last_seven_and_their_spread_over_seeds() -> None:
    iu, plus = (made()["methods"][name] for name in ("iu", "asmg-plus"))
    assert iu["auc"] == pytest.approx(0.81)
    assert iu["auc_std"] == pytest.approx(0.02 / 2**0.5)
    assert iu["improvement"] == 0
    assert plus["improvement"] == pytest.approx((0.9 / 0.81 - 1) * 100)
    assert plus["auc_std"] == 0
    assert plus["seconds_per_period"] == {"base": 2.0, "generator": 3.0}
    assert iu["seconds_per_period"] == {"base": 2.0, "generator": 0.0}
    assert plus["peak_memory_mb"] == 131.0


def test_every_scored_period_is_listed_with_its_mean_over_seeds() -> None:
    listed = made()["methods"]["iu"]["per_period"]
    assert [one["period"] for one in listed] == list(range(2, 32))
    assert listed[-1] == {"period": 31, "auc": pytest.approx(0.81), "logloss": pytest.approx(0.5)}


def test_one_seed_has_no_spread() -> None:
    alone = [[line(period, 0.8, 0.5) for period in range(1, 32)]]
    iu = report.figures({"iu": alone}, {"iu": alone}, first=2)["iu"]
    assert (iu["auc"], iu["auc_std"], iu["logloss_std"]) == (pytest.approx(0.8), None, None)


def test_a_score_that_is_not_finite_leaves_no_mean() -> None:
    plus = made(star=None)["methods"]["asmg-plus"]
    assert (plus["auc"], plus["auc_std"], plus["improvement"]) == (None, None, None)
    assert plus["logloss"] == pytest.approx(0.4)
    assert plus["p_value"]["auc"] is None


def test_the_test_against_iu_pairs_seeds_and_test_periods_and_leaves_iu_out() -> None:
    iu, plus = (made()["methods"][name] for name in ("iu", "asmg-plus"))
    assert iu["p_value"] == {"auc": None, "logloss": None}
    assert plus["p_value"]["auc"] == p_value([0.9] * 14, [0.80] * 7 + [0.82] * 7)
    assert plus["p_value"]["auc"] < 0.001


def test_figures_are_drawn_also_where_a_score_is_missing(tmp_path: Path) -> None:
    names = draw.per_period(made(star=None), tmp_path)
    assert names == ["auc_per_period.png", "logloss_per_period.png"]
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in names)


def test_tuned_methods_have_figures_of_their_own(tmp_path: Path) -> None:
    figures = made()
    names = draw.per_period({**figures, "tuned": {"methods": figures["methods"]}}, tmp_path, tuned=True)
    assert names == ["tuned_auc_per_period.png", "tuned_logloss_per_period.png"]
    assert {path.name for path in tmp_path.iterdir()} == set(names)


def test_a_sweep_is_drawn_by_its_values(tmp_path: Path) -> None:
    figures = made()
    plus = figures["methods"].pop("asmg-plus")
    figures["methods"] |= {f"asmg-plus k={k}": plus for k in (1, 2)}
    assert draw.sweep(figures, tmp_path, "k", [1, 2]) == ["auc_by_k.png", "logloss_by_k.png"]
