"""Pre-training: one Θ_0 for all that learn as IU does, and no more epochs than a tail bears out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from asmg.experiment import paper
from stream.replay import open_source
from stream.samples import Samples
from trainer import pretrain
from trainer.model import Theta
from trainer.pretrain import examples_of, pretrained
from trainer.settings import TrainerSettings
from trainer.strategies.names import strategy_of

CPU = torch.device("cpu")


@pytest.fixture
def periods(click_log: Path) -> list[Samples]:
    return paper.periods("clicks", open_source("clicks", click_log), 8, seed=0)


def same(one: Theta, other: Theta) -> bool:
    return all(torch.equal(tensor, other.named()[name]) for name, tensor in one.named().items())


def test_strategies_on_ius_base_model_begin_as_iu_does(periods: list[Samples]) -> None:
    iu, epochs = pretrained(TrainerSettings(strategy="iu"), 3, CPU, periods[:3])
    for strategy in ("bu-3", "incctr", "spmf", "sml"):
        other, of = pretrained(TrainerSettings(strategy=strategy), 3, CPU, periods[:3])
        assert of == epochs
        assert same(iu.snapshot.theta, other.snapshot.theta)


def test_a_strategy_is_told_what_was_trained_on_whoever_trained_it(periods: list[Samples]) -> None:
    model, _ = pretrained(TrainerSettings(strategy="spmf"), 3, CPU, periods[:3])
    told = strategy_of(model.settings, 3)
    told.pretrained(examples_of(model.settings, 3, CPU, periods[:3]))
    (name, part), *others = told.parts().items()
    assert others == []
    assert part.equals(model.parts()[name])
    assert sum(map(len, periods[:3])) == 2 * part["seen"][0].as_py()


def test_the_search_ends_where_the_tail_gains_no_more(
    periods: list[Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([0.6, 0.5, 0.55, 0.52, 0.1])

    class Scored:
        def __init__(self) -> None:
            self.logloss = next(losses)

    monkeypatch.setattr(pretrain, "score", lambda *_: Scored())
    assert pretrained(TrainerSettings(strategy="iu"), 0, CPU, periods[:3])[1] == 2
    assert next(losses) == 0.1


def test_a_single_period_is_learnt_once_and_activity_is_that_of_the_last(periods: list[Samples]) -> None:
    assert pretrained(TrainerSettings(strategy="iu"), 0, CPU, periods[:1])[1] == 1
    model, _ = pretrained(TrainerSettings(strategy="iu"), 0, CPU, periods[:3])
    user = model.snapshot.activity["user"]
    assert user.positives.sum() == periods[2].label.sum()
    assert user.positives_so_far.sum() == sum(int(one.label.sum()) for one in periods[:3])
    assert np.all(user.last_seen <= 3)


def test_a_base_that_reads_activity_is_pre_trained_with_it(periods: list[Samples]) -> None:
    settings = TrainerSettings(strategy="iu-activity")
    model, _ = pretrained(settings, 0, CPU, periods[:3])
    assert model.snapshot.theta.mlp["activity_kernel2"].abs().max() > 0


def test_matrix_factorisation_is_pre_trained_on_its_own(periods: list[Samples]) -> None:
    theta = pretrained(TrainerSettings(strategy="sml-mf"), 0, CPU, periods[:3])[0].snapshot.theta
    assert list(theta.named()) == ["user", "item", "bias"]
    assert all(one.abs().max() > 0 for one in (theta.tables["item"][:, -1], theta.mlp["bias"]))
