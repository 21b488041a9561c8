"""SML: what the transfer module makes of two models, what it learns from, and in which order."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from stream.errors import ConfigurationError, MissingArtefact
from trainer.adam import DenseAdam, zero_moments
from trainer.batches import batches, make_batch, shuffled
from trainer.catalogue import Catalogue
from trainer.model import Theta, forward, grown, initial_theta, loss_of
from trainer.periods import BaseModel
from trainer.score import logits_of
from trainer.settings import TrainerSettings
from trainer.strategies import transfer as module
from trainer.strategies.contract import Lesson
from trainer.strategies.sml import Module, Pair, loss_through, train_transfer, transfer_loss, transferred
from trainer.strategies.transfer import initial_transfer, sweep, transfer, transfer_mlp
from trainer.update import gradients_of, update

CPU = torch.device("cpu")


def settings(strategy="sml", **more):
    return TrainerSettings(
        **{"embedding": 8, "strategy": strategy, "batch": 16, "transfer_learning_rate": 1e-2} | more
    )


def after(chosen, periods):
    """The model that learnt these periods."""
    model = BaseModel.begin(chosen, 3, CPU, periods[0])
    for number, samples in enumerate(periods, start=1):
        model.learn(model.read(number, samples))
    return model


def same(one, two):
    return all(torch.equal(tensor, two.named()[name]) for name, tensor in one.named().items())


def rows_of(theta):
    return {name: len(table) for name, table in theta.tables.items()}


def all_rows(pair, model):
    """The pair with the initial vectors, in its precision, of the rows its models lack."""
    columns, chosen, seed = model.catalogue.columns(), model.settings, model.seed
    kind = pair.updated.tables["user"].dtype
    found = [grown(one, columns, chosen, seed) for one in (pair.previous, pair.updated)]
    return Pair(*(Theta({name: t.to(kind) for name, t in one.tables.items()}, one.mlp) for one in found))


def random_pair(random_period, kind, categories=3):
    """Φ, a pair of models and D_2, in this precision; D_2 brings rows and leaves others untouched."""
    periods = [
        random_period(seed, items=30 + 10 * seed, users=15 * seed, categories=categories) for seed in (1, 2)
    ]
    model = after(settings(), periods[:1])
    random = torch.Generator().manual_seed(0)

    def randomised(tensors):
        return {name: torch.randn(t.shape, generator=random).to(kind) for name, t in tensors.items()}

    theta = model.snapshot.theta
    pair = Pair(*(Theta(randomised(theta.tables), randomised(theta.mlp)) for _ in range(2)))
    phi = {name: one.to(kind) for name, one in initial_transfer(theta, 5).items()}
    examples = model.read(2, periods[1]).examples
    return phi, all_rows(pair, model), rows_of(theta), examples, model


def gelu(x):
    return x * (1 + math.erf(x / math.sqrt(2))) / 2


def test_a_transfer_by_hand():
    # Two filters, then one, then one hidden unit; a row (3, 4) of length 5.
    phi = {
        "user/filters1": torch.tensor([[1.0, 0.0], [0.5, 1.0], [0.0, -1.0]]),
        "user/filters2": torch.tensor([[1.0], [2.0]]),
        "user/kernel1": torch.tensor([[0.1], [-0.2]]),
        "user/bias1": torch.tensor([0.3]),
        "user/kernel2": torch.tensor([[2.0, -1.0]]),
        "user/bias2": torch.tensor([0.0, 0.5]),
    }
    product = [3 * 1 / 5, 4 * 2 / 5]
    convolved = []
    for previous, updated, both in zip((3, 4), (1, 2), product, strict=True):
        first = gelu(previous + 0.5 * updated), gelu(updated - both)
        convolved.append(gelu(first[0] + 2 * first[1]))
    hidden = gelu(0.1 * convolved[0] - 0.2 * convolved[1] + 0.3)
    made = transfer(phi, "user", torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 2.0]]))
    torch.testing.assert_close(made, torch.tensor([[2 * hidden, 0.5 - hidden]]))


def test_every_filter_sees_one_coordinate_and_the_hidden_layer_all_of_them():
    phi = initial_transfer(Theta({"user": torch.zeros(1, 8)}, {}), 0)
    phi = {name: one.double() for name, one in phi.items()}
    rows = torch.randn(2, 3, 8, dtype=torch.float64)
    stacked = torch.stack([rows[0], rows[1], rows[0] * rows[1] / rows[0].norm(dim=1, keepdim=True)], 1)
    x = stacked[:, None]  # [3, 1, 3, 8] as a picture of one channel, as the authors convolve it
    x = torch.nn.functional.conv2d(x, phi["user/filters1"].T[:, None, :, None])  # [3, 10, 1, 8]
    x = torch.nn.functional.conv2d(torch.nn.functional.gelu(x), phi["user/filters2"].T[..., None, None])
    x = torch.nn.functional.gelu(x).reshape(3, 5 * 8) @ phi["user/kernel1"] + phi["user/bias1"]
    expected = torch.nn.functional.gelu(x) @ phi["user/kernel2"] + phi["user/bias2"]
    torch.testing.assert_close(transfer(phi, "user", *rows), expected, atol=1e-12, rtol=0)


def test_the_sizes_are_the_authors():
    chosen = settings()
    theta = initial_theta(Catalogue(chosen, True).columns(), chosen, 0)
    phi = initial_transfer(theta, 0)
    assert [
        tuple(phi[f"category/{one}"].shape) for one in ("filters1", "filters2", "kernel1", "kernel2")
    ] == [
        (3, 10),
        (10, 5),
        (40, 20),
        (20, 8),
    ]
    names = ("kernel1", "bias1", "kernel2", "bias2", "kernel3", "bias3")
    assert [len(phi[f"{name}/bias1"]) for name in names] == [80, 40, 40, 20, 20, 2]
    assert [len(phi[f"{name}/bias2"]) for name in names] == [800, 20, 200, 10, 10, 1]
    assert {tuple(phi[f"{name}/filters2"].shape) for name in names} == {(5, 3)}
    # Glorot: a filter of the first convolution has fan 3 in and 3 · 10 out.
    assert 0.9 < phi["category/filters1"].abs().max() / math.sqrt(6 / 33) <= 1


@pytest.mark.parametrize("categories", [0, 3])
def test_the_gradients_on_a_batchs_rows_are_those_on_whole_tables(random_period, categories):
    phi, pair, known, examples, model = random_pair(random_period, torch.float64, categories)
    batch = make_batch(examples.part(0, 20), model.catalogue)
    assert all(len(batch.rows[name]) < len(pair.updated.tables[name]) for name in ("user", "item"))
    assert batch.rows["user"].max() >= known["user"]

    def dense(phi, updated):
        tables = {name: transfer(phi, name, t, updated[name]) for name, t in pair.previous.tables.items()}
        return tables, transfer_mlp(
            phi, pair.previous.mlp, {name: updated[name] for name in pair.updated.mlp}
        )

    def loss_on_all(tables, mlp):
        return loss_of(forward(Theta(tables, mlp).touched(batch), mlp, batch), batch.label)

    # Φ, where the rows that D_t brought are not transferred.
    leaves = {name: one.clone().requires_grad_() for name, one in phi.items()}
    found = torch.autograd.grad(transfer_loss(leaves, pair, known, batch), list(leaves.values()))
    tables, mlp = dense(leaves, pair.updated.named())
    for name, table in pair.updated.tables.items():
        tables[name] = torch.cat([tables[name][: known[name]], table[known[name] :]])
    expected = torch.autograd.grad(loss_on_all(tables, mlp), list(leaves.values()))
    for one, other in zip(found, expected, strict=True):
        assert other.abs().max() > 0
        torch.testing.assert_close(one, other, atol=1e-10, rtol=0)

    # Ŵ, all of whose rows go through Φ.
    _, of_rows, of_mlp = gradients_of(pair.updated, batch, loss_through(phi, pair.previous))
    whole = {name: one.clone().requires_grad_() for name, one in pair.updated.named().items()}
    gradients = torch.autograd.grad(loss_on_all(*dense(phi, whole)), list(whole.values()))
    for name, expected in zip(whole, gradients, strict=True):
        found = of_mlp.get(name)
        if found is None:
            found = torch.zeros_like(expected).index_add(0, batch.rows[name], of_rows[name])
        torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)


def test_a_sweep_in_blocks_is_the_transfer_of_whole_tables(random_period, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 7)
    phi, pair, *_ = random_pair(random_period, torch.float64)
    made = sweep(phi, pair.previous, pair.updated)
    for name, table in pair.updated.tables.items():
        assert len(table) > 7 or name == "category"
        whole = transfer(phi, name, pair.previous.tables[name], table)
        torch.testing.assert_close(made.tables[name], whole, atol=1e-12, rtol=0)
    for name, tensor in pair.updated.mlp.items():
        flat = transfer(phi, name, pair.previous.mlp[name].reshape(1, -1), tensor.reshape(1, -1))
        assert torch.equal(made.mlp[name], flat.reshape(tensor.shape))


def test_before_the_module_was_trained_the_model_is_incremental_updates(random_period):
    periods = [random_period(1)]
    assert same(after(settings(), periods).snapshot.theta, after(settings("iu"), periods).snapshot.theta)
    two = [*periods, random_period(2)]
    assert not same(after(settings(), two).snapshot.theta, after(settings("iu"), two).snapshot.theta)


@pytest.mark.parametrize("strategy", ["sml", "sml-mf"])
@pytest.mark.parametrize("epochs", [1, 2])
def test_a_period_is_met_in_the_order_of_the_authors(random_period, strategy, epochs):
    chosen = settings(strategy, transfer_epochs=epochs, epochs=2)
    model = after(chosen, [random_period(1), random_period(2)])
    pair, trained, known = model.strategy.pair, model.strategy.module, rows_of(model.snapshot.theta)
    period = model.read(3, random_period(3, items=40, users=30))
    theta, moments, catalogue = model.snapshot.theta, model.snapshot.moments, model.catalogue
    assert all(len(theta.tables[name]) > rows for name, rows in known.items())
    model.learn(period)

    # 1: Φ learns from D_3 with (W_1, Ŵ_2).
    pair = all_rows(pair, model)
    phi = {name: one.clone() for name, one in trained.phi.items()}
    adam = DenseAdam(phi, trained.moments, 1e-2)
    for epoch in range(epochs):
        for batch in batches(shuffled(period.examples, 3, epoch), catalogue, 16):
            leaves = {name: one.detach().requires_grad_() for name, one in phi.items()}
            gradients = torch.autograd.grad(transfer_loss(leaves, pair, known, batch), list(leaves.values()))
            adam.step(dict(zip(leaves, gradients, strict=True)))
    assert all(torch.equal(one, model.strategy.module.phi[name]) for name, one in phi.items())
    # 2: W_2 anew; ids that D_3 brought are at their initial vectors, as they were served.
    w_2 = transferred(phi, pair, known)
    for name, table in w_2.tables.items():
        assert torch.equal(table[known[name] :], theta.tables[name][known[name] :])
        made = transfer(phi, name, pair.previous.tables[name], pair.updated.tables[name])
        torch.testing.assert_close(table[: known[name]], made[: known[name]], atol=1e-6, rtol=0)
    assert same(w_2, model.strategy.pair.previous)
    # 3: Ŵ_3 learns from D_3 through Φ, beginning as W_2.
    through = loss_through(phi, w_2)
    updated, after_it = update(w_2, moments, period.examples, catalogue, chosen, 3, through)
    assert same(updated, model.strategy.pair.updated)
    assert torch.equal(after_it.v["user"], model.snapshot.moments.v["user"])
    # 4: Θ_3 is what Φ makes of both.
    assert same(sweep(phi, w_2, updated), model.snapshot.theta)


def test_each_turn_more_the_updated_model_learns_its_data_again(random_period):
    chosen = settings(transfer_turns=2)
    model = after(chosen, [random_period(1), random_period(2)])
    pair, once, known = model.strategy.pair, model.strategy.module, rows_of(model.snapshot.theta)
    second, period = model.past[-1], model.read(3, random_period(3, items=40))
    theta, moments, catalogue = model.snapshot.theta, model.snapshot.moments, model.catalogue
    model.learn(period)

    pair = all_rows(pair, model)
    lesson = Lesson(theta, moments, period.examples, [second], catalogue, chosen, 3)
    once = train_transfer(once, pair, known, lesson)
    begun, through = transferred(once.phi, pair, known), loss_through(once.phi, pair.previous)
    updated, _ = update(begun, moments, second, catalogue, chosen, 3, through)
    twice = train_transfer(once, replace(pair, updated=updated), known, lesson, turn=1)
    assert all(torch.equal(one, model.strategy.module.phi[name]) for name, one in twice.phi.items())
    assert not torch.equal(once.phi["user/bias2"], twice.phi["user/bias2"])


def test_training_the_module_lowers_its_loss_and_leaves_the_pair(random_period):
    phi, pair, known, examples, model = random_pair(random_period, torch.float32)
    kept = [{name: one.clone() for name, one in t.named().items()} for t in (pair.previous, pair.updated)]
    chosen = TrainerSettings(strategy="sml", batch=16, transfer_learning_rate=1e-3, transfer_epochs=30)
    theta = pair.updated
    lesson = Lesson(theta, zero_moments(theta.named()), examples, [], model.catalogue, chosen, 3)
    trained = train_transfer(Module(phi, zero_moments(phi)), pair, known, lesson)
    batch = make_batch(examples, model.catalogue)
    losses = [float(transfer_loss(one, pair, known, batch)) for one in (phi, trained.phi)]
    assert losses[1] < losses[0] - 0.05
    for before, theta in zip(kept, (pair.previous, pair.updated), strict=True):
        assert all(torch.equal(one, theta.named()[name]) for name, one in before.items())


@pytest.mark.parametrize("strategy", ["sml", "sml-mf"])
def test_a_period_of_new_users_and_items_alone_is_learnt(random_period, samples_of, strategy):
    strangers = samples_of([("stranger", "unheard", {}), ("other", "novel", {})])
    model = after(settings(strategy, negatives=0), [random_period(1), strangers])
    assert all(one.isfinite().all() for one in model.snapshot.theta.named().values())


def test_a_model_without_a_module_begins_with_one_and_half_a_module_is_refused(random_period):
    periods = [random_period(1), random_period(2)]
    begun = BaseModel.restore(settings(), 3, CPU, after(settings("iu"), periods).parts())
    assert begun.strategy.pair is None
    parts = after(settings(), periods).parts()
    for name in ("sml_previous_user", "sml_updated_mlp"):
        missing = {one: part for one, part in parts.items() if one != name}
        with pytest.raises(MissingArtefact, match=name):
            BaseModel.restore(settings(), 3, CPU, missing)


def test_a_model_of_another_form_is_refused(random_period):
    parts = after(settings(), [random_period(1)]).parts()
    with pytest.raises(ConfigurationError, match="are 9 wide, the stored model's 8"):
        BaseModel.restore(settings("sml-mf"), 3, CPU, parts)


@pytest.mark.parametrize("moments", ["lazy", "fresh"])
def test_rows_that_no_batch_touched_stay_in_the_updated_model_and_are_transferred_too(random_period, moments):
    chosen = settings(moments=moments, negatives=0)
    model = after(chosen, [random_period(1, items=40, users=20), random_period(2, items=40, users=20)])
    period = model.read(3, random_period(3, items=8, users=4))
    model.learn(period)
    pair, phi, theta = model.strategy.pair, model.strategy.module.phi, model.snapshot.theta
    touched = set(period.examples.user.tolist())
    untouched = [row for row in range(len(theta.tables["user"])) if row not in touched]
    assert len(untouched) > 5
    before = pair.previous.tables["user"][untouched]
    assert torch.equal(pair.updated.tables["user"][untouched], before)
    torch.testing.assert_close(theta.tables["user"][untouched], transfer(phi, "user", before, before))
    assert not torch.equal(theta.tables["user"][untouched], before)


def test_factorisation_by_hand(samples_of):
    chosen = settings("sml-mf")
    samples = samples_of([("a", "x", {"history": ["y"], "categories": ["c"]}), ("a", "y", {})])
    model = BaseModel.begin(chosen, 0, CPU, samples)
    examples = model.read(1, samples).examples.part(0, 2)
    theta = model.snapshot.theta
    assert {name: tuple(t.shape) for name, t in theta.named().items()} == {
        "user": (1, 9),
        "item": (2, 9),
        "bias": (1,),
    }
    assert all(table[:, -1].abs().max() == 0 for table in theta.tables.values())
    user = torch.tensor([[1.0, 2, 0, 0, 0, 0, 0, 0, 0.25]])
    item = torch.tensor([[3.0, -1, 5, 0, 0, 0, 0, 0, 0.5], [0.0, 2, 5, 0, 0, 0, 0, 0, -0.5]])
    batch = make_batch(examples, model.catalogue)
    found = forward(
        Theta({"user": user, "item": item}, {}).touched(batch), {"bias": torch.tensor([0.1])}, batch
    )
    torch.testing.assert_close(found, torch.tensor([3 - 2 + 0.25 + 0.5 + 0.1, 4 + 0.25 - 0.5 + 0.1]))


def test_factorisation_learns_and_reads_no_history(random_period):
    chosen = settings("sml-mf", negatives=1)
    model = after(chosen, [random_period(seed, categories=3) for seed in (1, 2, 3)])
    assert model.catalogue.categories is None
    theta = model.snapshot.theta
    assert all(table[:, -1].abs().max() > 0 for table in theta.tables.values())
    examples = model.read(4, random_period(4)).examples
    offsets = np.zeros_like(examples.history_offsets)
    without = replace(examples, history_offsets=offsets, history=examples.history[:0])
    theta = model.snapshot.theta
    assert np.array_equal(
        logits_of(theta, examples, model.catalogue), logits_of(theta, without, model.catalogue)
    )
