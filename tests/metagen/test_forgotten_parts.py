"""Parts of models without a user: as the loop itself would have them, whatever a strategy remembers."""

import pytest
import torch

from metagen.forgotten import USERS, rows_of, without_users
from stream.forgotten import digest_of, without
from trainer.periods import BaseModel, PastPeriod
from trainer.settings import TrainerSettings

CPU = torch.device("cpu")
GONE = {digest_of("u2"), digest_of("u4")}


def same(one, two):
    return one.keys() == two.keys() and all(table.equals(two[name]) for name, table in one.items())


@pytest.mark.parametrize("strategy", ["iu", "bu-3", "spmf", "sml", "sml-mf"])
def test_a_base_model_goes_on_from_cleaned_parts_as_from_those_before(random_period, strategy):
    periods = [random_period(seed, users=6, categories=3) for seed in range(6)]
    periods[4] = without(periods[4], GONE)
    chosen = TrainerSettings(embedding=4, batch=16, init_rows=16, strategy=strategy)
    model, kept = BaseModel.begin(chosen, 3, CPU, periods[0]), []
    for number in range(1, 5):
        model.learn(model.read(number, periods[number - 1]))
        kept.append(model.parts())
    cleaned = [without_users(parts, rows_of(parts["user"], GONE)) for parts in kept]
    again = BaseModel.restore(chosen, 3, CPU, cleaned[-1])
    past = range(max(1, 5 - again.strategy.reach + 1), 5)
    again.recall([PastPeriod(one, periods[one - 1], cleaned[one - 1]) for one in past])
    for number in (5, 6):
        forgotten = GONE if number == 5 else ()
        for one in (model, again):
            one.learn(one.read(number, periods[number - 1], forgotten))
        assert same(model.parts(), again.parts())


def test_nothing_but_the_users_rows_is_touched_and_the_others_keep_theirs(random_period):
    samples = random_period(1, users=6)
    chosen = TrainerSettings(embedding=4, batch=16, strategy="spmf")
    model = BaseModel.begin(chosen, 3, CPU, samples)
    model.learn(model.read(1, samples))
    parts = model.parts()
    rows = rows_of(parts["user"], GONE)
    left = without_users(parts, rows)
    ids = parts["user"]["id"].to_pylist()
    assert left["user"]["id"].to_pylist() == [one for one in ids if one not in ("u2", "u4")]
    assert all(left[role] is parts[role] for role in parts if role not in (*USERS, "reservoir"))
    users = left["reservoir"]["user"].to_pylist()
    before = [ids[row] for row in parts["reservoir"]["user"].to_pylist()]
    assert [left["user"]["id"].to_pylist()[row] for row in users] == [
        one for one in before if one not in ("u2", "u4")
    ]
    assert same(without_users(parts, rows[:0]), parts)
