"""SPMF: what a reservoir keeps, what is drawn from it, and that Θ_t learns that with D_t."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from stream.errors import MissingArtefact
from trainer.batches import Examples
from trainer.periods import BaseModel
from trainer.score import logits_of
from trainer.settings import TrainerSettings
from trainer.strategies import spmf
from trainer.strategies.reservoir import Reservoir, drawn, rank_weights
from trainer.update import update

CPU = torch.device("cpu")


def settings(**more):
    return TrainerSettings(batch=16, strategy="spmf", **more)


def numbered(start, stop):
    """Examples told apart by their users; each has its user's number as history, once or twice."""
    user = np.arange(start, stop)
    offsets = np.concatenate([[0], np.cumsum(1 + user % 2)])
    history, label = np.repeat(user, 1 + user % 2), np.ones(len(user), np.float32)
    return Examples(1, len(user), user, user + 1000, offsets, history, label)


def random_of(*seed):
    return np.random.Generator(np.random.PCG64(seed))


class Told:
    """Randomness that somebody chose."""

    def __init__(self, slots):
        self.slots = np.array(slots)

    def integers(self, low, high):
        assert low == 0
        assert np.all(self.slots < high)
        return self.slots


def rows_of(examples):
    """Every example as plain values, history included."""
    columns = (one.tolist() for one in (examples.user, examples.item, examples.label))
    histories = [examples.history[a:b].tolist() for a, b in pairwise(examples.history_offsets)]
    return [(*one, tuple(history)) for *one, history in zip(*columns, histories, strict=True)]


def reservoirs(model):
    return {label: (one.capacity, one.seen, rows_of(one.kept)) for label, one in learnt(model).items()}


def learnt(model):
    return model.strategy.reservoirs


def after(chosen, *periods):
    """A model that learnt these, and the examples it read."""
    model, read = BaseModel.begin(chosen, 3, CPU, periods[0]), []
    for number, samples in enumerate(periods, start=1):
        read.append(model.read(number, samples))
        model.learn(read[-1])
    return model, [one.examples for one in read]


def same(one, two):
    return all(torch.equal(tensor, two.named()[name]) for name, tensor in one.named().items())


def test_of_three_examples_the_worst_is_likeliest_by_exp_of_its_rank_over_three():
    weights = rank_weights(np.array([2.0, -1.0, 0.5]))  # ranks 0, 2, 1: e^0, e^(2/3), e^(1/3)
    np.testing.assert_allclose(weights, [1, 1.947734, 1.395612], rtol=1e-6)
    np.testing.assert_allclose(weights / weights.sum(), [0.230237, 0.448441, 0.321322], rtol=1e-5)


def test_drawing_takes_one_after_the_other_from_those_left():
    chance = np.array([0.230237, 0.448441, 0.321322])
    trials = 4000
    one, two = np.zeros(3), np.zeros(3)
    for trial in range(trials):
        one[drawn(chance, 1, random_of(trial, 0))] += 1
        pair = drawn(chance, 2, random_of(trial, 1))
        assert pair.tolist() == sorted(set(pair.tolist()))
        two[pair] += 1
    # Second: first another one j, then this one of the two that j leaves.
    second = [sum(chance[j] * chance[i] / (1 - chance[j]) for j in range(3) if j != i) for i in range(3)]
    for found, expected in ((one, chance), (two, chance + second)):
        assert np.all(np.abs(found / trials - expected) < 5 * np.sqrt(0.25 / trials))


def test_no_more_is_drawn_than_there_is():
    assert drawn(np.ones(3), 5, random_of(0)).tolist() == [0, 1, 2]
    assert drawn(np.ones(0), 5, random_of(0)).tolist() == []
    assert drawn(np.ones(3), 0, random_of(0)).tolist() == []


def test_slots_are_filled_then_the_last_that_takes_one_stays():
    empty = Reservoir.empty(numbered(0, 5), 0.4)
    assert (empty.capacity, empty.seen, len(empty.kept)) == (2, 0, 0)
    reservoir = empty.taken_in(numbered(0, 5), Told([0, 0, 2, 0, 0]))  # 2 is no slot; 3, then 4 take slot 0
    assert rows_of(reservoir.kept) == rows_of(numbered(0, 5).take(np.array([4, 1])))
    reservoir = reservoir.taken_in(numbered(5, 7), Told([1, 6]))
    assert reservoir.kept.user.tolist() == [4, 5]
    assert (reservoir.capacity, reservoir.seen) == (2, 7)


def test_a_reservoir_holds_its_capacity_once_that_many_were_seen():
    reservoir = Reservoir(numbered(0, 0), 25, 0)
    for start in range(0, 70, 10):
        reservoir = reservoir.taken_in(numbered(start, start + 10), random_of(start))
        assert len(reservoir.kept) == len(set(reservoir.kept.user.tolist())) == min(25, start + 10)
        assert reservoir.seen == start + 10
    assert rows_of(reservoir.kept) == rows_of(numbered(0, 70).take(reservoir.kept.user))


def test_every_example_stays_with_the_same_probability_whenever_it_came():
    trials, capacity, n = 800, 20, 100
    stayed = np.zeros(n)
    for trial in range(trials):
        reservoir = Reservoir(numbered(0, 0), capacity, 0)
        for start, stop in ((0, 30), (30, 31), (31, 80), (80, n)):
            reservoir = reservoir.taken_in(numbered(start, stop), random_of(trial, start))
        stayed[reservoir.kept.user] += 1
    chance = capacity / n
    assert np.all(np.abs(stayed - trials * chance) < 5 * np.sqrt(trials * chance * (1 - chance)))
    for part in np.split(stayed, [20, 30, 80]):  # into free slots, in their places, in later periods
        spread = np.sqrt(len(part) * trials * chance * (1 - chance))
        assert abs(part.sum() - len(part) * trials * chance) < 4 * spread


def test_the_first_period_is_learnt_alone_and_a_share_of_it_kept(random_period):
    model, (first,) = after(settings(), random_period(0))
    plain = BaseModel.begin(TrainerSettings(batch=16, strategy="iu"), 3, CPU, random_period(0))
    plain.learn(plain.read(1, random_period(0)))
    assert same(model.snapshot.theta, plain.snapshot.theta)
    kept = reservoirs(model)
    assert [(label, one[:2], len(one[2])) for label, one in kept.items()] == [
        (1, (18, 60), 18),
        (0, (18, 60), 18),
    ]
    assert {row for _, _, rows in kept.values() for row in rows} <= set(rows_of(first))


def test_the_update_learns_the_period_with_half_as_many_old_examples_of_each_label(
    random_period, monkeypatch
):
    chosen = settings(replay=0.2)
    model, _ = after(chosen, random_period(0), random_period(1))
    period = model.read(3, random_period(2, rows=40))
    before, kept = model.snapshot, reservoirs(model)
    data = []
    monkeypatch.setattr(spmf, "update", lambda *given: (data.append(given[2]), update(*given))[1])
    model.learn(period)
    (joint,) = data
    rows = rows_of(joint)
    assert rows[16:] == rows_of(period.examples)
    assert len(period.examples) == 80
    for label, old in ((1, rows[:8]), (0, rows[8:16])):
        assert set(old) <= set(kept[label][2])
        assert {row[2] for row in old} == {label}
    theta, _ = update(before.theta, before.moments, joint, model.catalogue, chosen, 3)
    assert joint.period == 3
    assert same(theta, model.snapshot.theta)


def test_with_nothing_learnt_again_it_is_iu(random_period):
    periods = [random_period(number) for number in range(3)]
    mine, _ = after(settings(replay=0.0), *periods)
    iu, _ = after(TrainerSettings(batch=16, strategy="iu"), *periods)
    assert same(mine.snapshot.theta, iu.snapshot.theta)


def test_positives_the_model_scores_low_are_learnt_again_more_often_and_negatives_alike(
    random_period, monkeypatch
):
    model, _ = after(settings(reservoir=1.0, replay=0.25), random_period(0), random_period(1))
    period = model.read(3, random_period(2))
    before = dict(learnt(model))
    theta, again = model.snapshot.theta, {label: np.zeros(60) for label in before}
    scores = {label: logits_of(theta, one.kept, model.catalogue) for label, one in before.items()}
    trials, drawing = 400, iter(range(10**6))
    monkeypatch.setattr(spmf, "_random", lambda *_: random_of(next(drawing)))
    monkeypatch.setattr(spmf, "drawn", lambda *given: (found := drawn(*given), seen.append(found))[0])
    monkeypatch.setattr(spmf, "update", lambda *_: (theta, model.snapshot.moments))
    for _ in range(trials):
        seen = []
        model.strategy.reservoirs = dict(before)
        model.learn(period)
        for label, rows in zip(before, seen, strict=True):
            again[label][rows] += 1
    for label, counts in again.items():
        ordered = counts[np.argsort(-scores[label], kind="stable")]
        assert counts.sum() == 15 * trials
        worse = ordered[30:].sum() / counts.sum()
        assert abs(worse - (0.6 if label == 1 else 0.5)) < 0.03


def test_what_was_pre_trained_on_says_how_much_is_kept(random_period):
    model = BaseModel.begin(settings(), 3, CPU, random_period(0))
    first, second = (model.read(number, random_period(number)) for number in (1, 2))
    model.strategy.pretrained(Examples.concat([first.examples, second.examples]))
    assert [one[:2] for one in reservoirs(model).values()] == [(36, 120), (36, 120)]
    model.learn(model.read(3, random_period(3)))
    assert [one[:2] for one in reservoirs(model).values()] == [(36, 180), (36, 180)]


def test_a_model_restored_after_pre_training_goes_on_bit_for_bit(random_period):
    chosen = settings()
    model = BaseModel.begin(chosen, 3, CPU, random_period(0))
    model.strategy.pretrained(model.read(1, random_period(1)).examples)
    model.learn(model.read(2, random_period(2)))
    again = BaseModel.restore(chosen, 3, CPU, model.parts())
    assert reservoirs(again) == reservoirs(model)
    for one in (model, again):
        one.learn(one.read(3, random_period(3)))
    assert reservoirs(again) == reservoirs(model)
    assert same(again.snapshot.theta, model.snapshot.theta)


def test_seeds_draw_otherwise(random_period):
    kept = []
    for seed in (3, 4):
        model = BaseModel.begin(settings(negatives=0), seed, CPU, random_period(0))
        model.learn(model.read(1, random_period(0)))
        kept.append(reservoirs(model))
    assert kept[0] != kept[1]


def test_a_label_that_comes_late_has_its_reservoir_from_then_on(random_period):
    chosen = settings(negatives=0)
    model, _ = after(chosen, random_period(0))
    assert list(learnt(model)) == [1]
    again = BaseModel.restore(chosen, 3, CPU, model.parts())
    mixed = random_period(1, impressions=True)
    negatives = int((mixed.label == 0).sum())
    for one in (model, again):
        one.learn(one.read(2, mixed))
        assert reservoirs(one)[0][:2] == (int(0.3 * negatives), negatives)
        one.learn(one.read(3, random_period(2)))  # without negatives: none is learnt again
    assert reservoirs(again) == reservoirs(model)


def test_before_anything_was_seen_it_remembers_nothing(random_period):
    model = BaseModel.begin(settings(), 3, CPU, random_period(0))
    model.strategy.restore(model.strategy.parts())
    assert learnt(model) == {}


def test_a_snapshot_without_reservoirs_is_refused(random_period):
    model, _ = after(TrainerSettings(batch=16, strategy="iu"), random_period(0))
    with pytest.raises(MissingArtefact, match="'reservoir' is missing; there are user, item, "):
        BaseModel.restore(settings(), 3, CPU, model.parts())
