"""The search: which periods it looks at, what it tries, and what it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import pytest

from asmg.experiment.grid import RATE, own
from asmg.experiment.methods import chosen, methods
from asmg.experiment.plan import Plan
from asmg.experiment.presets import preset
from asmg.experiment.tune import search, validation
from asmg.experiment.units import Unit
from asmg.options import settings_of
from metagen.settings import Generator, MetagenSettings
from stream.errors import ConfigurationError
from trainer.settings import Strategy, TrainerSettings


def plan_in(folder: Path, **other: Any) -> Plan:
    given: dict[str, Any] = {
        "folder": folder,
        "dataset": "clicks",
        "source": "made up",
        "protocol": "stream",
        "periods": 31,
        "trainer": TrainerSettings(),
        "metagen": MetagenSettings(),
        "seed": 0,
        "stream": {},
    }
    return Plan(**{**given, **other})


class Runs:
    """Stands for the units: each gets the LogLoss that its name is given, 0.5 without one."""

    def __init__(self, plan: Plan, losses: Mapping[str, float | None]) -> None:
        self.plan, self.losses = plan, losses
        self.asked: list[list[str]] = []
        self.told: list[str] = []

    def __call__(self, units: Sequence[Unit], told: str) -> None:
        self.asked.append([unit.method.name for unit in units])
        self.told.append(told)
        for unit in units:
            assert unit.run == 0
            ledger = self.plan.ledger(unit.method.name, 0)
            for period in range(len(ledger.lines) + 1, unit.until + 1):
                ledger.append({"period": period, "logloss": self.loss(unit.method.name, period)})

    def loss(self, name: str, period: int) -> float | None:
        """Of validation as given; before, nothing that may count."""
        return self.losses.get(name, 0.5) if period >= 22 else 0.0


def test_the_models_before_those_tested_are_validated_and_no_test_period_is() -> None:
    assert list(validation(31, 11)) == [22, 23, 24]  # models 21-23; models 24-30 are tested
    assert list(validation(62, 2)) == [50, 51, 52, 53, 54, 55]
    assert list(validation(12, 5)) == [5]
    with pytest.raises(ConfigurationError, match="first scored on period 4, and the last 7 are for"):
        validation(10, 4)


def test_the_base_rate_is_searched_first_then_at_the_best_one_the_methods_own_setting(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    fast = "incctr trainer.learning_rate=0.01"
    runs = Runs(plan, {fast: 0.4, f"{fast} trainer.distillation=0.3": 0.38, "iu": 0.45})
    found = search(plan, chosen(["incctr"]), runs)
    rates = ["", *(f" trainer.learning_rate={rate}" for rate in (0.001, 0.003, 0.01))]  # 5e-3 is given
    assert sorted(runs.asked[0]) == sorted(f"{name}{rate}" for name in ("iu", "incctr") for rate in rates)
    assert runs.told == ["base rate", "own setting"]
    assert runs.asked[1] == [fast, *(f"{fast} trainer.distillation={share}" for share in (0.1, 0.3, 0.5))]
    assert found["incctr"].best.settings == {"trainer.learning_rate": 0.01, "trainer.distillation": 0.3}
    assert found["incctr"].best.logloss == pytest.approx(0.38)
    assert found["iu"].best.settings == {"trainer.learning_rate": 0.005}
    assert found["iu"].best.method == methods()["iu"]
    assert len(found["incctr"].tried) == 7
    assert {one.method.name for one in found["incctr"].tried} == {
        *(name for name in runs.asked[0] if name.startswith("incctr")),
        *runs.asked[1],
    }


def test_units_end_with_the_last_validation_period(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    search(plan, chosen(["ema"]), Runs(plan, {}))
    names = [path.name for path in (tmp_path / "runs").iterdir()]
    assert len(names) == 4 + 4 + 2  # iu at four rates, ema on each, two decays besides the one given
    for name in names:
        assert plan.ledger(name.removesuffix("-seed0.jsonl"), 0).lines[-1]["period"] == 24


def test_generators_share_a_base_and_need_not_agree_on_its_rate(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    slow, fast = "trainer.learning_rate=0.003", "trainer.learning_rate=0.01"
    runs = Runs(plan, {f"asmg-plus {slow}": 0.3, f"average {fast}": 0.3})
    found = search(plan, chosen(["asmg-plus", "average"]), runs)
    assert found["asmg-plus"].best.method.base == f"iu {slow}"
    assert found["average"].best.method.base == f"iu {fast}"
    assert found["iu"].best.method.name == "iu"
    assert [name for name in runs.asked[0] if name.startswith("iu ")].count(f"iu {slow}") == 1


def test_what_is_given_stays_where_nothing_is_better_and_a_loss_that_is_not_finite_is_the_worst(
    tmp_path: Path,
) -> None:
    plan = plan_in(tmp_path, trainer=TrainerSettings(learning_rate=2e-3))
    runs = Runs(plan, {f"iu trainer.learning_rate={rate}": None for rate in (0.001, 0.003, 0.005, 0.01)})
    found = search(plan, chosen(["asmg-plus"]), runs)
    assert found["iu"].best.settings == {"trainer.learning_rate": 2e-3}
    assert [one.logloss for one in found["iu"].tried] == [0.5, None, None, None, None]
    assert found["asmg-plus"].best.method == methods()["asmg-plus"]
    assert found["asmg-plus"].best.settings == {"trainer.learning_rate": 2e-3, "metagen.learning_rate": None}


def test_a_generator_is_tried_at_the_rate_of_its_steps_and_at_set_ones(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    runs = Runs(plan, {})
    found = search(plan, chosen(["asmg-gru-multi"]), runs)
    told = [f"asmg-gru-multi metagen.learning_rate={rate}" for rate in (0.003, 0.01)]
    assert runs.asked[1] == ["iu", "asmg-gru-multi", *told]
    assert found["asmg-gru-multi"].best.settings["metagen.learning_rate"] is None


@pytest.mark.parametrize("name", [*get_args(Strategy), *get_args(Generator)])
def test_what_is_tried_are_settings_that_there_are(name: str) -> None:
    axes = [RATE] + ([axis] if (axis := own(methods()[name])) is not None else [])
    for setting, values in axes:
        section, _, field = setting.partition(".")
        model = TrainerSettings if section == "trainer" else MetagenSettings
        for value in values:
            assert getattr(model.model_validate({field: value}), field) == value
    assert (len(axes) == 1) == (name in ("iu", "iu-activity", "bu-3", "bu-5", "bu-7"))


def test_the_papers_settings_come_before_those_in_force_and_after_what_is_set() -> None:
    settings = settings_of([*preset("paper"), "trainer.learning_rate=2e-3"])
    trainer, metagen = settings.trainer, settings.metagen
    assert (trainer.batch, trainer.learning_rate, trainer.moments) == (256, 2e-3, "carried")
    assert (metagen.learning_rate, metagen.moments) == (1e-2, "fresh")
    multi, plus = chosen(["asmg-gru-multi", "asmg-plus"])[1:]
    assert not multi.metagen_settings(metagen, "stream").residual
    assert plus.metagen_settings(metagen, "stream").moments == "fresh"
    assert settings_of(preset("default")) == settings_of(())
