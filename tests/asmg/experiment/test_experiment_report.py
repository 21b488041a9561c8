"""The arithmetic of a report, on figures made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asmg.experiment import draw, report


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
    bases = {"iu": "iu", "asmg-plus": "iu"}
    return report.figures("clicks", "stream", 31, {"iu": iu, "asmg-plus": plus}, bases, first=2)


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


def test_a_score_that_is_not_finite_leaves_no_mean() -> None:
    plus = made(star=None)["methods"]["asmg-plus"]
    assert (plus["auc"], plus["auc_std"], plus["improvement"]) == (None, None, None)
    assert plus["logloss"] == pytest.approx(0.4)


def test_the_report_has_the_tables_and_the_command() -> None:
    text = report.markdown(made(), "asmg experiment --x", 2, "{}", ["auc.png"])
    assert "| iu | 0.8100 ± 0.0141 | – | 0.5000 ± 0.0000 | – |" in text
    assert "| asmg-plus | 0.9000 ± 0.0000 | +11.11% | 0.4000 ± 0.0000 | +20.00% |" in text
    assert "| asmg-plus | 2.00 | 3.00 | 131 |" in text
    assert "    asmg experiment --x\n" in text
    assert "models of periods 24-30" in text


def test_figures_are_drawn_also_where_a_score_is_missing(tmp_path: Path) -> None:
    names = draw.per_period(made(star=None), tmp_path)
    assert names == ["auc_per_period.png", "logloss_per_period.png"]
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in names)


def test_a_sweep_is_drawn_by_its_values(tmp_path: Path) -> None:
    figures = made()
    plus = figures["methods"].pop("asmg-plus")
    figures["methods"] |= {f"asmg-plus k={k}": plus for k in (1, 2)}
    assert draw.sweep(figures, tmp_path, "k", [1, 2]) == ["auc_by_k.png", "logloss_by_k.png"]
