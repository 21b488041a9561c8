"""ASMG-GRUsingle, full, zero and unif: what each changes in GRUmulti, and nothing else."""

import pytest
import torch

from metagen.generators import generator_of
from metagen.settings import MetagenSettings
from metagen.sweep import carry, sweep
from metagen.window import GeneratorState, Window


def settings(variant, **others):
    return MetagenSettings(generator=f"asmg-gru-{variant}", **others)


def same(one, two):
    return one.keys() == two.keys() and all(torch.equal(tensor, two[name]) for name, tensor in one.items())


@pytest.fixture
def trained(random_period, loop):
    """(models, data, catalogue, a trained state of GRUmulti with a hidden state that is not zero)."""
    models, data, catalogue, state, _ = loop([random_period(seed) for seed in range(6)], settings("multi"))
    assert all(one.any() for one in state.hidden.values())
    return models, data, catalogue, state


def test_only_the_last_period_has_a_say_in_the_loss_of_single(trained):
    models, data, catalogue, state = trained
    other = [data[0], data[1], data[-1]]
    for variant, ignores in [("single", True), ("multi", False)]:
        generator = generator_of(settings(variant), 16, 0)
        one = generator.train(models[-4:-1], data[-3:], catalogue, state)
        two = generator.train(models[-4:-1], other, catalogue, state)
        assert same(one.omega, two.omega) == ignores
        assert not same(one.omega, state.omega)


def test_single_and_multi_are_the_same_on_a_window_of_one(trained):
    models, data, catalogue, state = trained
    one, two = (
        generator_of(settings(variant, k=1), 16, 0).train(models[-2:-1], data[-1:], catalogue, state)
        for variant in ("single", "multi")
    )
    assert same(one.omega, two.omega)
    assert same(one.hidden, two.hidden)


def test_unif_is_multi_with_steps_that_weigh_the_same_whatever_the_settings_say(trained):
    models, data, catalogue, state = trained
    unif = generator_of(settings("unif", weights="exponential"), 16, 0)
    multi = generator_of(settings("multi", weights="uniform"), 16, 0)
    assert unif.weights(4) == [0.25] * 4
    one, two = (each.train(models[-4:-1], data[-3:], catalogue, state) for each in (unif, multi))
    assert same(one.omega, two.omega)
    assert same(one.hidden, two.hidden)


def test_zero_trains_and_generates_from_zeros_whatever_was_carried(trained):
    models, data, catalogue, state = trained
    zeros = {name: torch.zeros_like(one) for name, one in state.hidden.items()}
    zero = generator_of(settings("zero"), 16, 0)
    one = zero.train(models[-4:-1], data[-3:], catalogue, state)
    two = generator_of(settings("multi"), 16, 0).train(
        models[-4:-1], data[-3:], catalogue, GeneratorState(state.omega, state.moments, zeros, 0)
    )
    assert same(one.omega, two.omega)
    assert not any(h.any() for h in one.hidden.values())
    star = sweep(Window.of([model.theta for model in models[-3:]]), one.omega, zeros, residual=True)
    assert same(zero.generate(models[-3:], one).named(), star.named())


def test_full_begins_with_one_model_and_scores_every_step_of_a_growing_sequence(random_period, loop):
    periods = [random_period(seed) for seed in range(6)]
    for count, trained in [(1, None), (2, 1), (6, 5)]:
        models, data, catalogue, state, star = loop(periods[:count], settings("full"))
        assert (state.trained if state else None) == trained
        assert (star is None) == (state is None)
    assert not any(h.any() for h in state.hidden.values())
    full = generator_of(settings("full"), 16, 0)
    assert full.weights(5) == pytest.approx([j / 15 for j in range(1, 6)])
    one = full.train(models[:5], data[1:], catalogue, state)
    for step in range(5):  # each D_i has a say, the earliest too
        other = [*data[1:]]
        other[step] = data[0]
        assert not same(full.train(models[:5], other, catalogue, state).omega, one.omega)


def test_full_at_its_longest_slides_as_multi_and_carries_what_it_leaves_behind(random_period, loop):
    periods = [random_period(seed) for seed in range(6)]
    models, data, catalogue, state, _ = loop(periods, settings("full", full_k=4))
    window = Window.of([model.theta for model in models[1:5]])
    before = loop(periods[:5], settings("full", full_k=4))[3]
    assert all(one.any() for one in before.hidden.values())  # Θ_1, which the next window lacks
    multi = generator_of(settings("multi", k=4), 16, 0)
    other = multi.train(models[1:5], data[2:], catalogue, before)
    assert same(other.omega, state.omega)
    assert same(other.hidden, state.hidden)
    grown = generator_of(settings("full", full_k=5), 16, 0)
    kept = grown.train(models[1:5], data[2:], catalogue, before).hidden  # nothing is left behind yet
    carried = carry(window, state.omega, kept)
    assert same(carried, state.hidden)


def test_the_gates_warm_up_counts_periods_of_every_variant(random_period, loop):
    periods = [random_period(seed) for seed in range(5)]
    counted = {one: loop(periods, settings(one))[3].trained for one in ("single", "zero", "unif", "full")}
    assert counted == {"single": 2, "zero": 2, "unif": 2, "full": 4}
