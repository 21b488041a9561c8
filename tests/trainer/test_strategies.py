"""BU-w and IncCTR: what they learn in place of D_t, and that a restart changes no bit of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from arrow_parts import through_ipc

from trainer.activity import INACTIVE, activity_inputs
from trainer.batches import Examples
from trainer.periods import BaseModel, PastPeriod
from trainer.score import logits_of
from trainer.settings import TrainerSettings
from trainer.update import update

CPU = torch.device("cpu")


def settings(**more):
    return TrainerSettings(batch=16, **more)


def run(chosen, periods, restart=()):
    """Parts after each period; before those in `restart` everything is forgotten and read again."""
    model, found = BaseModel.begin(chosen, 3, CPU, periods[0]), []
    for number, samples in enumerate(periods, start=1):
        if number in restart:
            model = BaseModel.restore(chosen, 3, CPU, found[-1])
            model.recall([PastPeriod(one, periods[one - 1], found[one - 1]) for one in range(1, number)])
        model.learn(model.read(number, samples))
        found.append(through_ipc(model.parts()))
    return found


def same(one, two):
    return one.keys() == two.keys() and all(table.equals(two[name]) for name, table in one.items())


@pytest.mark.parametrize("strategy", ["iu", "iu-activity", "bu-3", "incctr", "spmf", "sml", "sml-mf"])
def test_a_restart_before_any_period_changes_no_bit(random_period, strategy):
    periods = [random_period(seed, items=12 + 6 * seed, categories=3) for seed in range(5)]
    chosen = settings(strategy=strategy)
    whole, broken = run(chosen, periods), run(chosen, periods, restart=range(2, 6))
    assert all(same(one, two) for one, two in zip(whole, broken, strict=True))


def test_a_restart_changes_no_bit_of_a_module_that_learns_in_turns(random_period):
    periods = [random_period(seed, items=12 + 6 * seed) for seed in range(4)]
    chosen = settings(strategy="sml", transfer_turns=2)
    whole, broken = run(chosen, periods), run(chosen, periods, restart=range(2, 5))
    assert all(same(one, two) for one, two in zip(whole, broken, strict=True))


def test_every_strategy_makes_another_model_of_the_same_periods(random_period):
    periods = [random_period(seed) for seed in range(3)]
    last = [run(settings(strategy=one), periods)[-1] for one in ("iu", "bu-3", "incctr", "spmf", "sml")]
    assert not any(same(one, two) for one, two in zip(last, last[1:] + last[:1], strict=True))


def test_bu_learns_the_last_periods_together_from_the_model_before(random_period):
    chosen = settings(strategy="bu-3")
    model = BaseModel.begin(chosen, 3, CPU, random_period(0))
    read = []
    for number in range(1, 5):
        period = model.read(number, random_period(number))
        read.append(period.examples)
        before = model.snapshot
        model.learn(period)
    joint = Examples.concat(read[-3:])
    assert len(joint) == sum(map(len, read[-3:]))
    theta, _ = update(before.theta, before.moments, joint, model.catalogue, chosen, 3)
    assert all(torch.equal(one, model.snapshot.theta.named()[name]) for name, one in theta.named().items())


def test_examples_one_after_the_other_keep_their_histories(random_period):
    model = BaseModel.begin(settings(), 3, CPU, random_period(0))
    parts = [model.read(number, random_period(number)).examples for number in (1, 2)]
    joint = Examples.concat(parts)
    for part, start in zip(parts, (0, len(parts[0])), strict=True):
        again = joint.part(start, start + len(part))
        for name in ("user", "item", "history", "history_offsets", "label"):
            np.testing.assert_array_equal(getattr(again, name), getattr(part, name))


def test_incctr_draws_labels_towards_what_the_model_before_said(random_period):
    chosen = settings(strategy="incctr", distillation=0.25)
    model = BaseModel.begin(chosen, 3, CPU, random_period(0))
    model.learn(model.read(1, random_period(1)))
    period, before = model.read(2, random_period(2)), model.snapshot
    said = 1 / (1 + np.exp(-logits_of(before.theta, period.examples, model.catalogue).astype(np.float64)))
    model.learn(period)
    label = (0.75 * period.examples.label + 0.25 * said).astype(np.float32)
    drawn = replace(period.examples, label=label)
    theta, _ = update(before.theta, before.moments, drawn, model.catalogue, chosen, 3)
    for name, one in theta.named().items():
        torch.testing.assert_close(one, model.snapshot.theta.named()[name], atol=1e-6, rtol=0)


def test_activity_as_of_the_period_before_is_an_input_of_iu_activity(random_period):
    chosen = settings(strategy="iu-activity")
    model = BaseModel.begin(chosen, 3, CPU, random_period(0))
    first = model.read(1, random_period(1))
    assert np.array_equal(first.examples.activity, np.tile(INACTIVE, (len(first.examples), 2)))
    model.learn(first)
    known = model.snapshot.activity
    second = model.read(2, random_period(2))
    rows = {"item": model.catalogue.item_row[second.examples.item], "user": second.examples.user}
    size = model.catalogue.table_rows()
    expected = [activity_inputs(known[name], 1, size[name])[rows[name]] for name in ("item", "user")]
    assert np.array_equal(second.examples.activity, np.concatenate(expected, axis=1))
    shuffle = np.random.default_rng(0).permutation(len(second.examples))
    assert np.array_equal(second.examples.take(shuffle).activity, second.examples.activity[shuffle])


def test_activity_adds_nothing_before_it_is_learnt_and_something_after(random_period):
    model = BaseModel.begin(settings(strategy="iu-activity"), 3, CPU, random_period(0))
    plain = BaseModel.begin(settings(), 3, CPU, random_period(0))
    periods = [random_period(number) for number in (1, 2)]
    assert model.score(model.read(1, periods[0])) == plain.score(plain.read(1, periods[0]))
    model = BaseModel.begin(settings(strategy="iu-activity"), 3, CPU, random_period(0))
    model.learn(model.read(1, periods[0]))
    second = model.read(2, periods[1]).examples
    blind = replace(second, activity=np.tile(INACTIVE, (len(second), 2)))
    theta = model.snapshot.theta
    assert not np.array_equal(
        logits_of(theta, second, model.catalogue), logits_of(theta, blind, model.catalogue)
    )
