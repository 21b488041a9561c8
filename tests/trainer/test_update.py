import numpy as np
import pytest
import torch

from trainer.adam import grown_moments, zero_moments
from trainer.batches import make_batch, make_examples
from trainer.catalogue import Catalogue
from trainer.model import Theta, forward, grown, initial_theta, loss_of
from trainer.settings import TrainerSettings
from trainer.update import gradients_of, update


def after(periods, settings, seed=0):
    """Θ, moments and the catalogue after an update on each of the periods; and Θ before the last."""
    catalogue = Catalogue(settings, bool(len(periods[0].category)))
    theta = initial_theta(catalogue.columns(), settings, seed)
    moments = zero_moments(theta.named())
    before = examples = None
    for period, samples in enumerate(periods, start=1):
        catalogue.extend(samples)
        before = grown(theta, catalogue.columns(), settings, seed)
        moments = grown_moments(moments, before.named())
        examples = make_examples(samples, catalogue, period, seed, settings.negatives)
        theta, moments = update(before, moments, examples, catalogue, settings, seed)
    return theta, moments, catalogue, before, examples


@pytest.mark.parametrize("moments", ["carried", "lazy", "fresh"])
@pytest.mark.parametrize("categories", [0, 4])
def test_two_runs_give_the_same_bits(random_period, moments, categories):
    periods = [random_period(seed, categories=categories) for seed in range(3)]
    settings = TrainerSettings(moments=moments, batch=16, epochs=2, strategy="iu")
    one, two = (after(periods, settings) for _ in range(2))
    for name, tensor in one[0].named().items():
        assert torch.equal(tensor, two[0].named()[name])
        assert torch.equal(one[1].v[name], two[1].v[name])


@pytest.mark.parametrize(("moments", "stay"), [("carried", False), ("lazy", True), ("fresh", True)])
def test_rows_no_batch_touched_stay_bit_for_bit_unless_moments_are_carried(random_period, moments, stay):
    settings = TrainerSettings(moments=moments, batch=16, negatives=0, strategy="iu")
    periods = [random_period(1, items=40, users=20), random_period(2, items=8, users=4)]
    theta, _, _, before, examples = after(periods, settings)
    touched = {"user": examples.user, "item": np.concatenate([examples.item, examples.history])}
    for name, rows in touched.items():
        untouched = np.setdiff1d(np.arange(len(theta.tables[name])), rows)
        assert len(untouched)
        assert torch.equal(theta.tables[name][untouched], before.tables[name][untouched]) == stay
        assert not torch.equal(theta.tables[name][rows], before.tables[name][rows])


def test_the_gradient_on_touched_rows_is_the_gradient_on_whole_tables(random_period):
    settings = TrainerSettings(strategy="iu")
    samples = random_period(5, categories=4)
    catalogue = Catalogue(settings, True)
    catalogue.extend(samples)
    theta = initial_theta(catalogue.columns(), settings, 1)
    theta = Theta(
        {name: one.double() for name, one in theta.tables.items()},
        {name: one.double() for name, one in theta.mlp.items()},
    )
    batch = make_batch(make_examples(samples, catalogue, 1, 1, 1).part(0, 40), catalogue)
    whole = {name: one.clone().requires_grad_() for name, one in theta.named().items()}
    rows = {name: whole[name][batch.rows[name]] for name in theta.tables}
    loss_of(forward(rows, {name: whole[name] for name in theta.mlp}, batch), batch.label).backward()
    _, of_rows, of_mlp = gradients_of(theta, batch)
    for name, one in of_rows.items():
        dense = torch.zeros_like(whole[name]).index_add(0, batch.rows[name], one)
        torch.testing.assert_close(dense, whole[name].grad, atol=1e-12, rtol=0)
    for name, one in of_mlp.items():
        torch.testing.assert_close(one, whole[name].grad, atol=1e-12, rtol=0)


def test_lazy_and_carried_agree_where_every_batch_touches_every_row(samples_of):
    rows = [("a", "x", {"history": ["y"]}), ("a", "y", {"impression": "p", "label": 0})]
    thetas = [
        after([samples_of(rows)], TrainerSettings(moments=moments, epochs=5, strategy="iu"))[0]
        for moments in ("lazy", "carried")
    ]
    for name, tensor in thetas[0].named().items():
        torch.testing.assert_close(tensor, thetas[1].named()[name], atol=1e-5, rtol=0)


def test_an_update_leaves_its_arguments_as_they_were(random_period):
    settings = TrainerSettings(batch=16, strategy="iu")
    theta, moments, catalogue, _, examples = after([random_period(1)], settings)
    kept = {name: tensor.clone() for name, tensor in theta.named().items()}
    kept_m = {name: tensor.clone() for name, tensor in moments.m.items()}
    update(theta, moments, examples, catalogue, settings, 0)
    assert all(torch.equal(tensor, theta.named()[name]) for name, tensor in kept.items())
    assert all(torch.equal(tensor, moments.m[name]) for name, tensor in kept_m.items())


def test_a_new_id_gets_its_initial_vector_in_an_older_snapshot(random_period):
    settings = TrainerSettings(batch=16, strategy="iu")
    theta, _, catalogue, _, _ = after([random_period(1, items=10)], settings)
    known = len(theta.tables["item"])
    catalogue.extend(random_period(2, items=30))
    later = grown(theta, catalogue.columns(), settings, 0)
    fresh = initial_theta(catalogue.columns(), settings, 0)
    assert torch.equal(later.tables["item"][:known], theta.tables["item"])
    assert torch.equal(later.tables["item"][known:], fresh.tables["item"][known:])
    assert len(later.tables["item"]) > known


def test_learning_on_one_period_lowers_its_loss(random_period):
    settings = TrainerSettings(batch=16, epochs=20, strategy="iu")
    theta, _, catalogue, before, examples = after([random_period(1)], settings)
    batch = make_batch(examples, catalogue)
    losses = [loss_of(forward(one.touched(batch), one.mlp, batch), batch.label) for one in (before, theta)]
    assert losses[1] < losses[0] - 0.05
