"""The averages that train nothing, against their closed forms."""

import pytest
import torch

from metagen.generators import generator_of
from metagen.settings import MetagenSettings
from trainer.model import initial_theta
from trainer.settings import TrainerSettings

TRAINER = TrainerSettings(embedding=8, batch=16, init_rows=16, strategy="iu")


@pytest.fixture
def run(random_period, loop):
    """Seven periods whose items keep growing in number, seen by the control that the settings name."""

    def _run(**settings):
        periods = [random_period(seed, items=10 + 10 * seed) for seed in range(7)]
        return loop(periods, MetagenSettings(**settings), TRAINER)

    return _run


def mixed(models, weights):
    named = [model.theta.named() for model in models]
    return {
        name: sum(weight * one[name].double() for weight, one in zip(weights, named, strict=True)).float()
        for name in named[0]
    }


@pytest.mark.parametrize("k", [1, 3, 5])
def test_the_average_is_the_mean_of_the_last_models(run, k):
    models, _, _, state, star = run(generator="average", k=k)
    for name, expected in mixed(models[-k:], [1 / k] * k).items():
        torch.testing.assert_close(star.named()[name], expected)
    assert state.trained == 7 - k
    assert (state.omega, state.hidden) == ({}, {})


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9])
def test_the_moving_average_weighs_a_model_by_the_decay_to_the_power_of_its_age(run, decay):
    models, _, _, state, star = run(generator="ema", decay=decay)
    weights = [decay**6] + [(1 - decay) * decay ** (7 - period) for period in range(2, 8)]
    assert sum(weights) == pytest.approx(1)
    for name, expected in mixed(models, weights).items():
        torch.testing.assert_close(star.named()[name], expected)
    assert state.trained == 6
    assert state.omega == {}


def test_without_decay_the_moving_average_is_incremental_update(run):
    models, _, _, _, star = run(generator="ema", decay=0.0)
    for name, tensor in models[-1].theta.named().items():
        torch.testing.assert_close(star.named()[name], tensor)


@pytest.mark.parametrize(
    ("settings", "newest"), [({"generator": "average", "k": 4}, 1 / 4), ({"generator": "ema"}, 1 / 2)]
)
def test_a_row_that_is_new_counts_with_its_initial_vector_before(run, settings, newest):
    models, _, catalogue, _, star = run(**settings)
    initial = initial_theta(catalogue.columns(), TRAINER, 0).tables["item"]
    table = models[-1].theta.tables["item"]
    older = torch.stack([model.theta.tables["item"] for model in models[:-1]])
    new = (older == initial).all(0).all(1)  # rows that no earlier period moved
    assert (table[new] != initial[new]).any()
    expected = (1 - newest) * initial[new] + newest * table[new]
    torch.testing.assert_close(star.tables["item"][new], expected)


def test_a_row_that_never_moved_keeps_its_bits_in_the_moving_average(random_period, loop):
    lazy = TrainerSettings(embedding=8, batch=16, moments="lazy", item_rows="hash:200", strategy="iu")
    ema = MetagenSettings(generator="ema", decay=0.7)
    _, _, catalogue, _, star = loop([random_period(seed, items=20) for seed in range(6)], ema, lazy)
    initial = initial_theta(catalogue.columns(), lazy, 0).tables["item"]
    touched = torch.zeros(200, dtype=torch.bool)
    touched[torch.from_numpy(catalogue.item_row)] = True
    assert torch.equal(star.tables["item"][~touched], initial[~touched])
    assert (star.tables["item"][touched] != initial[touched]).any()


def test_the_hidden_state_of_a_moving_average_is_one_number_wide_whatever_d_is():
    assert MetagenSettings(generator="ema", d=7).hidden_size == 1
    assert generator_of(MetagenSettings(generator="ema", k=5), 16, 0).k == 1
