"""ASMG-Linear: learned weights of the window's models."""

import pytest
import torch
from dense import double, first_joint

from metagen.generators import generator_of
from metagen.linear import combined, combined_mlp, linear_loss
from metagen.settings import MetagenSettings
from metagen.window import MLP, GeneratorState, Part, Window
from trainer.model import Theta, forward, loss_of
from trainer.settings import TrainerSettings

SETTINGS = MetagenSettings(generator="asmg-linear", k=3)
LINEAR = generator_of(SETTINGS, 16, 0)


@pytest.mark.parametrize("categories", [0, 4])
@pytest.mark.parametrize("rows", ["grow", "hash:11"])
def test_the_gradient_from_touched_rows_is_the_dense_one(random_period, categories, rows, loop):
    periods = [random_period(seed, items=40, categories=categories) for seed in range(6)]
    trainer = TrainerSettings(embedding=8, batch=16, item_rows=rows, strategy="iu")
    models, data, catalogue, state, _ = loop(periods, SETTINGS, trainer)
    window = Window.of([one.theta for one in models[-4:-1]])
    leaves = [{name: one.double().requires_grad_() for name, one in state.omega.items()} for _ in range(2)]
    touched, joint, (batch,) = first_joint(data[-1:], catalogue, 16)
    part = window.part(touched.rows)
    part = Part(double(part.tables), part.mlp.double(), part.shapes)
    linear_loss(part, joint, leaves[0]).backward()
    whole = Theta(
        {
            name: combined(leaves[1], name, torch.stack(models).double())
            for name, models in window.tables.items()
        },
        combined_mlp(leaves[1], part),
    )
    loss_of(forward(whole.touched(batch), whole.mlp, batch), batch.label).backward()
    for name in state.omega:
        torch.testing.assert_close(leaves[0][name].grad, leaves[1][name].grad, atol=1e-10, rtol=0)
    assert any(one.grad.abs().max() > 1e-5 for one in leaves[1].values())


def test_untrained_it_is_the_plain_average(random_period, loop):
    models, *_ = loop([random_period(seed) for seed in range(5)], SETTINGS)
    star = LINEAR.generate(models[-3:], LINEAR.initial(models[-1].theta)).named()
    average = generator_of(MetagenSettings(generator="average", k=3), 16, 0)
    for name, mean in average.generate(models[-3:], average.initial(models[-1].theta)).named().items():
        torch.testing.assert_close(star[name], mean)


def test_there_is_a_weight_per_model_for_each_dimension_and_each_scalar_and_they_sum_to_one(
    random_period, loop
):
    models, _, _, state, star = loop([random_period(seed, categories=3) for seed in range(7)], SETTINGS)
    assert {name: tuple(one.shape) for name, one in state.omega.items()} == {
        "user/alpha": (8, 3),
        "item/alpha": (8, 3),
        "category/alpha": (8, 3),
        f"{MLP}/alpha": (40 * 20 + 40 * 20 + 20 + 20 * 10 + 10 + 10 + 1, 3),
    }
    assert all(one.any() for one in state.omega.values())
    ones = torch.ones(3, 5, 8)
    torch.testing.assert_close(combined(state.omega, "item", ones), ones[0])
    alpha = state.omega["item/alpha"].softmax(1)
    expected = sum(alpha[:, i] * models[-3 + i].theta.tables["item"] for i in range(3))
    torch.testing.assert_close(star.tables["item"], expected)
    alpha = state.omega[f"{MLP}/alpha"].softmax(1)[:800].view(40, 20, 3)
    expected = sum(alpha[..., i] * models[-3 + i].theta.mlp["kernel1"] for i in range(3))
    torch.testing.assert_close(star.mlp["kernel1"], expected)


def test_training_lowers_the_loss_on_the_new_period_and_looks_at_no_other(random_period, loop):
    models, data, catalogue, _, _ = loop([random_period(seed) for seed in range(6)], SETTINGS)
    window = Window.of([one.theta for one in models[-4:-1]])
    touched, joint, _ = first_joint(data[-1:], catalogue, 10_000)
    part = window.part(touched.rows)
    state = initial = LINEAR.initial(models[-2].theta)
    for _ in range(5):
        trained = LINEAR.train(models[-4:-1], data[-3:], catalogue, state)
        state = GeneratorState(trained.omega, trained.moments, {}, trained.trained)
    assert linear_loss(part, joint, state.omega) < linear_loss(part, joint, initial.omega)
    assert state.trained == 5
    one = LINEAR.train(models[-4:-1], data[-3:], catalogue, initial)
    two = LINEAR.train(models[-4:-1], [data[0], data[1], data[-1]], catalogue, initial)
    assert all(torch.equal(tensor, two.omega[name]) for name, tensor in one.omega.items())
