"""Learning rates that follow the steps of a period."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from metagen.generators import generator_of
from metagen.rates import FEW, LEARNING_RATE, MANY, rate
from metagen.settings import MetagenSettings
from trainer.settings import TrainerSettings


def test_few_steps_ask_for_small_rates_and_many_for_the_paper_s():
    assert rate(1, 256) == rate(FEW * 256, 256) == pytest.approx(1e-3)
    assert rate(MANY * 256, 256) == rate(10**9, 256) == pytest.approx(LEARNING_RATE)
    assert rate(60 * 256 - 1, 256) == rate(60 * 256, 256) < rate(60 * 256 + 1, 256)  # shorter batches count
    assert rate(55 * 256, 256) == pytest.approx((1e-3 * 1e-2) ** 0.5, rel=0.01)  # √(12 · 250) steps


@pytest.mark.parametrize("generator", ["asmg-gru-multi", "iu-calibrated"])
def test_generators_learn_at_the_rate_of_their_steps_unless_one_is_set(random_period, loop, generator):
    periods = [random_period(seed) for seed in range(6)]

    trainer = TrainerSettings(embedding=8, batch=16, init_rows=16, strategy="iu")
    models, data, catalogue, _, _ = loop(periods, MetagenSettings(), trainer)
    data = [replace(one, activity=np.zeros((len(one), 6), np.float32)) for one in data]

    def after(**more):
        chosen = generator_of(MetagenSettings(generator=generator, **more), 4, 0)
        window = models[-chosen.k :]
        state = chosen.initial(window[-1].theta)
        return chosen.train(window, data[-len(window) :], catalogue, state).omega

    of_steps = rate(len(data[-1]), 4)
    assert 1e-3 < of_steps < LEARNING_RATE
    omega, told, other = after(), after(learning_rate=of_steps), after(learning_rate=LEARNING_RATE)
    assert all(torch.equal(one, told[name]) for name, one in omega.items())
    assert not all(torch.equal(one, other[name]) for name, one in omega.items())
