"""ASMG+: what its cell reads and adds, and that touched rows are enough."""

import numpy as np
import pytest
import torch
from dense import first_joint, row_cell, row_loss, row_unroll

from metagen.plus import Plus, RowWindow, carry, sweep, window_loss
from metagen.rowcell import with_one
from metagen.settings import MetagenSettings
from metagen.window import GeneratorState, bank_of, hidden_block, hidden_of
from trainer.activity import Activity, activity_inputs
from trainer.batches import make_batch
from trainer.model import Theta, forward, grown
from trainer.settings import TrainerSettings

SETTINGS = MetagenSettings(generator="asmg-plus", d=6)
TRAINER = TrainerSettings(embedding=8, batch=16, init_rows=16, strategy="iu")
LINEAR = [1 / 6, 2 / 6, 3 / 6]


@pytest.mark.parametrize("categories", [0, 4])
@pytest.mark.parametrize("rows", ["grow", "hash:11"])
def test_the_gradient_from_touched_rows_is_the_dense_one(random_period, categories, rows, loop):
    periods = [random_period(seed, items=40, categories=categories) for seed in range(7)]
    models, data, catalogue, state, _ = loop(
        periods, SETTINGS, TrainerSettings(embedding=8, batch=16, item_rows=rows, strategy="iu")
    )
    window = RowWindow(models[-5:-1])
    touched, joint, slices = first_joint(data[-3:], catalogue, 16)
    leaves = [{name: one.double().requires_grad_() for name, one in state.omega.items()} for _ in range(2)]
    inputs = {name: with_one(window.inputs(name, some)).double() for name, some in touched.rows.items()}
    hidden = {name: hidden_of(state.hidden[name], some)[:, 0].double() for name, some in touched.rows.items()}
    one, two = (
        window_loss(inputs, joint, leaves[0], hidden, LINEAR),
        row_loss(window, slices, leaves[1], state.hidden, LINEAR),
    )
    torch.testing.assert_close(one, two, atol=1e-10, rtol=0)
    one.backward()
    two.backward()
    for name in state.omega:
        torch.testing.assert_close(leaves[0][name].grad, leaves[1][name].grad, atol=1e-10, rtol=0)
        assert leaves[1][name].grad.abs().max() > 0


def test_an_untrained_generator_adds_nothing_to_the_tables_and_begins_with_the_mlp_it_is_given(
    random_period, loop
):
    models, *_ = loop([random_period(seed) for seed in range(4)], SETTINGS)
    star = Plus(SETTINGS, 16, 0).generate(models, Plus(SETTINGS, 16, 0).initial(models[-2].theta))
    for name, table in models[-1].theta.tables.items():
        assert torch.equal(star.tables[name][:, :8], table)
        assert not star.tables[name][:, 8:].any()
    for name, tensor in models[-2].theta.mlp.items():
        assert torch.equal(star.mlp[name], tensor)


def test_a_bias_slot_is_added_to_the_logit(random_period, loop):
    models, data, catalogue, _, _ = loop([random_period(seed, categories=3) for seed in range(4)], SETTINGS)
    theta, batch = models[-1].theta, make_batch(data[-1], catalogue)
    slots = {name: torch.randn(len(theta.tables[name]), 1) for name in ("user", "item")}
    wider = {name: torch.cat([theta.tables[name], slot], 1) for name, slot in slots.items()}
    with_slots = Theta(theta.tables | wider, theta.mlp)
    bias = slots["user"][data[-1].user, 0] + slots["item"][catalogue.item_row[data[-1].item], 0]
    torch.testing.assert_close(
        forward(with_slots.touched(batch), theta.mlp, batch),
        forward(theta.touched(batch), theta.mlp, batch) + bias,
    )


def test_rows_that_are_new_have_no_bias(random_period, loop):
    models, _, catalogue, _, star = loop([random_period(seed) for seed in range(7)], SETTINGS)
    catalogue.extend(random_period(9, items=500, users=500))
    wider, base = (
        grown(one, catalogue.columns(), TRAINER, 0).tables["item"] for one in (star, models[-1].theta)
    )
    new = len(star.tables["item"])
    assert len(wider) > new
    assert not wider[new:, 8].any()
    assert torch.equal(wider[new:, :8], base[new:])


def test_activity_tells_what_a_row_did_in_the_period_and_when_it_was_last_seen():
    activity = Activity(*(np.array(one) for one in ([3, 0, 0], [4, 0, 0], [10, 2, 0], [9, 7, 0])))
    expected = [
        [np.log(4) - 0.5, -0.5, np.log(11) / 2 - 1],
        [-0.5, 2 / 5 - 0.5, np.log(3) / 2 - 1],
        [-0.5, 0.5, -1.0],
        [-0.5, 0.5, -1.0],
    ]
    np.testing.assert_allclose(activity_inputs(activity, 9, 4), expected, atol=1e-6)


def test_a_sweep_in_blocks_is_the_unrolled_cell(random_period, monkeypatch, loop):
    models, _, _, state, _ = loop([random_period(seed) for seed in range(7)], SETTINGS)
    window = RowWindow(models[-4:])
    monkeypatch.setattr("metagen.sweep.BLOCK", 5)
    star = sweep(window, state.omega, state.hidden)
    v, bank = window.inputs("item", slice(None)), bank_of(state.omega, "item")
    h = hidden_block(state.hidden["item"], slice(None), len(v))[:, 0]
    *_, whole = row_unroll(bank, v, h, 8)
    torch.testing.assert_close(star.tables["item"], whole, atol=1e-6, rtol=0)
    after = carry(window, state.omega, state.hidden)["item"][:, 0]
    torch.testing.assert_close(after, row_cell(bank, v[:, 0], h), atol=1e-6, rtol=0)


def test_inputs_are_the_model_its_change_and_how_active_the_row_was(random_period, loop):
    models, *_ = loop([random_period(seed) for seed in range(4)], SETTINGS)
    rows = torch.tensor([0, 3, 7])
    v = RowWindow(models[-3:]).inputs("item", rows)
    assert v.shape == (3, 2, 19)
    for i, model in enumerate(models[-2:]):
        theta, before = model.theta.tables["item"], models[-3 + i].theta.tables["item"]
        torch.testing.assert_close(v[:, i, :8], theta[rows])
        torch.testing.assert_close(v[:, i, 8:16], (theta - before)[rows])
        active = activity_inputs(model.activity["item"], model.period, len(theta))[rows]
        np.testing.assert_array_equal(v[:, i, 16:], active)


def test_few_steps_a_period_ask_for_small_rates():
    plus = Plus(MetagenSettings(), 256, 0)
    assert plus.rates(1) == plus.rates(12 * 256) == pytest.approx((1e-3, 1e-3))
    assert plus.rates(250 * 256) == plus.rates(4000 * 256) == pytest.approx((1e-2, 3e-3))
    assert 1e-3 < plus.rates(60 * 256)[0] < 1e-2
    assert Plus(MetagenSettings(learning_rate=0.5, mlp_learning_rate=0.25), 256, 0).rates(1) == (0.5, 0.25)


def test_training_lowers_the_loss_of_the_window(random_period, loop):
    models, data, catalogue, state, _ = loop([random_period(seed) for seed in range(7)], SETTINGS)
    generator, window = Plus(SETTINGS, 16, 0), RowWindow(models[-5:-1])
    state = generator.initial(models[-2].theta)
    slices = [make_batch(one, catalogue) for one in data[-3:]]
    before = row_loss(window, slices, state.omega, state.hidden, LINEAR)
    for _ in range(8):
        trained = generator.train(models[-5:-1], data[-3:], catalogue, state)
        state = GeneratorState(trained.omega, trained.moments, state.hidden, trained.trained)
    assert row_loss(window, slices, state.omega, state.hidden, LINEAR) < before
