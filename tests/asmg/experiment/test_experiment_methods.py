"""Names stand for methods: what there is follows from the settings."""

from __future__ import annotations

from typing import get_args

import pytest

from asmg.experiment.methods import chosen, methods, needed, sweep_of, varied
from metagen.settings import MetagenSettings
from stream.errors import ConfigurationError
from trainer.settings import TrainerSettings


def test_every_strategy_and_every_generator_is_a_method() -> None:
    known = methods()
    for model, field in ((MetagenSettings, "generator"), (TrainerSettings, "strategy")):
        if field in model.model_fields:
            assert set(get_args(model.model_fields[field].annotation)) <= set(known)


def test_iu_always_runs_and_generators_share_its_run() -> None:
    mine = chosen(["asmg-gru-multi", "asmg-plus", "asmg-plus"])
    assert [one.name for one in mine] == ["iu", "asmg-gru-multi", "asmg-plus"]
    assert [one.name for one in needed(mine)] == ["iu", "asmg-gru-multi", "asmg-plus"]
    assert {one.base for one in mine} == {"iu"}


def test_a_method_begins_with_ius_pre_trained_model_unless_its_own_has_another_form() -> None:
    known = methods()
    for name in ("iu", "bu-3", "incctr", "sml", "asmg-plus"):
        assert known[name].begins_as == known["iu"]
    for name in ("sml-mf", "iu-activity"):
        assert known[name].begins_as == known[name]
    assert known["asmg-plus-activity"].begins_as == known["iu-activity"]


def test_a_method_with_settings_of_its_own_tells_them_in_its_name_and_shares_the_base_that_has_them() -> None:
    known = methods()
    plus = varied(known["asmg-plus"], {"trainer.learning_rate": 0.003, "metagen.learning_rate": 0.01})
    assert plus.name == "asmg-plus trainer.learning_rate=0.003 metagen.learning_rate=0.01"
    assert plus.reads == varied(known["iu"], {"trainer.learning_rate": 0.003})
    assert plus.base == plus.reads.name == "iu trainer.learning_rate=0.003"
    assert plus.trainer_settings(TrainerSettings()).learning_rate == 0.003
    assert plus.metagen_settings(MetagenSettings(), "stream").learning_rate == 0.01
    assert varied(known["asmg-plus"], {}) == known["asmg-plus"]


def test_a_varied_method_begins_as_what_is_varied_alike_but_for_what_theta_0_does_not_know() -> None:
    known = methods()
    faster = {"trainer.learning_rate": 0.01}
    assert varied(known["bu-3"], faster).begins_as == varied(known["iu"], faster)
    assert varied(known["incctr"], {**faster, "trainer.distillation": 0.3}).begins_as == varied(
        known["iu"], faster
    )
    assert varied(known["sml-mf"], {"trainer.transfer_learning_rate": 0.01}).begins_as == known["sml-mf"]


def test_the_papers_generators_are_plain_under_its_protocol_unless_told() -> None:
    _, multi, plus = chosen(["asmg-gru-multi", "asmg-plus"])
    assert not multi.metagen_settings(MetagenSettings(), "paper").residual
    assert multi.metagen_settings(MetagenSettings(), "stream").residual
    assert multi.metagen_settings(MetagenSettings(residual=True), "paper").residual
    assert plus.metagen_settings(MetagenSettings(), "paper").residual
    assert multi.metagen_settings(MetagenSettings(), "paper").generator == "asmg-gru-multi"


def test_a_sweep_makes_a_method_of_every_value() -> None:
    assert sweep_of("k=1..3") == {"k": [1, 2, 3]}
    mine = chosen(["asmg-plus"], sweep_of("d=4,8"))
    assert [one.name for one in mine] == ["iu", "asmg-plus d=4", "asmg-plus d=8"]
    assert mine[1].metagen_settings(MetagenSettings(), "stream").d == 4


@pytest.mark.parametrize("text", ["k", "k=0..3", "k=3..1", "tau=1..3", "k=a", "d=1,x"])
def test_a_sweep_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is expected"):
        sweep_of(text)


def test_a_sweep_without_a_generator_and_a_method_nobody_knows_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="none of the methods has a generator"):
        chosen(["iu"], {"k": [1]})
    with pytest.raises(ConfigurationError, match="there is no method 'sgd'; there are iu, "):
        chosen(["sgd"])
