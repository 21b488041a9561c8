"""Ids that leave the tables of the base model: who, and that it changes nothing for those who stay."""

import hypothesis
import numpy as np
import pyarrow as pa
import pytest
import torch
from arrow_parts import through_ipc
from hypothesis import given
from hypothesis import strategies as st

from stream.forgotten import digest_of, nobodys, without
from trainer.average import Average
from trainer.periods import BaseModel, PastPeriod
from trainer.settings import TrainerSettings

CPU = torch.device("cpu")

#: Users a, b, c and items 0 to 9: who is named in which period.
NAMES = st.lists(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.lists(st.integers(0, 9), max_size=3)),
             min_size=1, max_size=5),
    min_size=1, max_size=7,
)  # fmt: skip


def settings(**given):
    return TrainerSettings(embedding=4, batch=16, init_rows=16, **{"strategy": "iu", **given})


def run(chosen, periods, restart=(), forgotten=None):
    """Parts after each period; before those in `restart` everything is forgotten and read again."""
    forgotten = forgotten or {}
    model, found = BaseModel.begin(chosen, 3, CPU, periods[0]), []
    for number, samples in enumerate(periods, start=1):
        if number in restart:
            model = BaseModel.restore(chosen, 3, CPU, found[-1])
            past = range(max(1, number - model.strategy.reach + 1), number)
            model.recall(
                [PastPeriod(one, periods[one - 1], found[one - 1], forgotten.get(one, ())) for one in past]
            )
        model.learn(model.read(number, samples, forgotten.get(number, ())))
        found.append(through_ipc(model.parts()))
    return found


def same(one, two):
    return one.keys() == two.keys() and all(table.equals(two[name]) for name, table in one.items())


def moving(random_period, count=8, **more):
    """Periods of ever other ids, some of which come back after a while."""
    return [renamed(random_period(seed, categories=4, **more), seed) for seed in range(count)]


def renamed(samples, seed):
    """Every id with a number that is the same for two periods and comes again after six."""
    shift = seed // 2 % 3
    return type(samples)(
        **{name: getattr(samples, name) for name in samples.__dataclass_fields__}
        | {
            name: pa.array([f"{one}-{shift}" if place % 2 else one for place, one in enumerate(
                getattr(samples, name).to_pylist())], pa.string())
            for name in ("users", "items", "categories")
        }
    )  # fmt: skip


#: Columns that hold numbers of a model.
NUMBERS = {name: ["vector", "m", "v"] for name in ("user", "item", "category")} | {"mlp": ["value", "m", "v"]}

STRATEGIES = ["iu", "iu-activity", "bu-3", "incctr", "spmf", "sml", "sml-mf"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_restart_before_any_period_changes_no_bit_while_ids_leave_and_come_back(random_period, strategy):
    periods = moving(random_period)
    chosen = settings(strategy=strategy, forget_after=1)
    whole, broken = run(chosen, periods), run(chosen, periods, restart=range(2, 9))
    assert all(same(one, two) for one, two in zip(whole, broken, strict=True))
    rows = [len(parts["item"]) for parts in whole]
    assert rows != sorted(rows)  # some left


@pytest.mark.parametrize("moments", ["carried", "lazy", "fresh"])
def test_where_nobody_is_idle_for_so_long_no_bit_differs(random_period, moments):
    periods = moving(random_period)
    with_it = run(settings(moments=moments, forget_after=8), periods)
    for one, two in zip(run(settings(moments=moments), periods), with_it, strict=True):
        named_in = two["catalogue"]["named_in"].to_numpy()
        assert named_in.min() >= 1
        assert same(one, two | {"catalogue": two["catalogue"].drop_columns("named_in")})


@hypothesis.settings(deadline=None, max_examples=40)
@given(NAMES, st.integers(1, 3))
def test_who_leaves_is_who_was_named_by_nothing_for_so_long(samples_of, periods, after):
    """Against a slow reading of the rule; rows keep the order in which ids came, or came back."""
    model, order, last = None, {"user": [], "item": []}, {}
    for number, rows in enumerate(periods, start=1):
        samples = samples_of([(user, f"i{item}", {"history": [f"i{one}" for one in past]})
                              for user, item, past in rows])  # fmt: skip
        model = model or BaseModel.begin(settings(forget_after=after, negatives=0), 0, CPU, samples)
        model.learn(model.read(number, samples))
        for table in order:
            order[table] = [one for one in order[table] if last[one] >= number - after]
        named = {
            "user": [user for user, _, _ in rows],
            "item": [f"i{item}" for _, item, _ in rows] + [f"i{one}" for _, _, past in rows for one in past],
        }
        for table, ids in named.items():
            order[table] += [one for one in dict.fromkeys(ids) if one not in order[table]]
            last |= dict.fromkeys(ids, number)
        parts = model.parts()
        assert parts["user"]["id"].to_pylist() == order["user"]
        assert parts["catalogue"]["id"].to_pylist() == order["item"]
        assert parts["item"]["id"].to_pylist() == order["item"]


@pytest.mark.parametrize("moments", ["carried", "lazy"])
def test_the_rows_that_stay_are_what_they_would_be_had_nobody_left(samples_of, moments):
    """The idle ones are in no sample and no negative is drawn, so nothing else can depend on their rows."""
    first = samples_of([("gone", "old", {}), ("a", "x", {"categories": ["c"]}), ("b", "y", {})])
    later = [samples_of([("a", "y", {"history": ["x"]}), ("b", "x", {"categories": ["c"]})])] * 5
    chosen = settings(moments=moments, negatives=0, categories="yes")
    kept = run(chosen, [first, *later])
    compacted = run(chosen.model_copy(update={"forget_after": 2}), [first, *later])
    assert compacted[-1]["user"]["id"].to_pylist() == ["a", "b"]
    assert compacted[-1]["item"]["id"].to_pylist() == ["x", "y"]
    for one, two in zip(kept, compacted, strict=True):
        for table in ("mlp", "user", "item", "category"):
            stays = np.isin(one[table][0].to_pylist(), two[table][0].to_pylist())
            there = one[table].filter(pa.array(stays))
            assert there.drop_columns(NUMBERS[table]).equals(two[table].drop_columns(NUMBERS[table]))
            for name in NUMBERS[table]:
                numbers = [np.concatenate(part[name].to_pylist()) for part in (there, two[table])]
                # Where Adam goes over whole tables, the last numbers of a shorter one may round otherwise.
                np.testing.assert_allclose(*numbers, rtol=0, atol=1e-6 if moments == "carried" else 0)


def test_an_id_that_comes_back_is_new_again(samples_of):
    busy = [samples_of([("a", "x", {}), ("b", "y", {})])]
    there = samples_of([("a", "x", {}), ("c", "z", {})])
    chosen = settings(forget_after=1, negatives=0)
    parts = run(chosen, [there, *busy * 3, there])
    again = BaseModel.restore(chosen, 3, CPU, parts[-2])
    again.read(5, there)
    fresh = BaseModel.begin(chosen, 3, CPU, there)
    fresh.read(1, there)
    users, expected = again.catalogue.users.ids, fresh.catalogue.users.ids
    assert users.index("c") == len(users) - 1
    assert torch.equal(
        again.snapshot.theta.tables["user"][users.index("c")],
        fresh.snapshot.theta.tables["user"][expected.index("c")],
    )
    activity = parts[-1]["user"].to_pylist()[users.index("c")]
    assert activity["positives_so_far"] == 1


def test_tables_stay_small_where_every_period_brings_other_ids(samples_of):
    def period(number):
        return samples_of([(f"u{number}-{row}", f"i{number}-{row}", {}) for row in range(20)])

    rows = [
        (len(parts["user"]), len(parts["item"]))
        for parts in run(settings(forget_after=2), [period(number) for number in range(30)])
    ]
    assert max(rows) == (60, 60)
    assert rows[-1] == (60, 60)


def test_the_average_leaves_out_whom_its_model_leaves_out(samples_of):
    periods = [samples_of([("a", "x", {}), (f"u{one}", f"i{one}", {})]) for one in range(5)]
    model = BaseModel.begin(settings(forget_after=1), 3, CPU, periods[0])
    average = Average(0.5)
    for number, samples in enumerate(periods, start=1):
        before = None if average.theta is None else average.theta.tables["user"][0].clone()
        read = model.read(number, samples)
        average.keep(read.stay)
        average.score(model, read)
        model.learn(read)
        parts = average.take(model)
        assert parts["user"]["id"].to_pylist() == model.catalogue.users.ids
        if before is not None:
            expected = torch.lerp(before, model.snapshot.theta.tables["user"][0], 0.5)
            assert torch.equal(average.theta.tables["user"][0], expected)
    assert model.catalogue.users.ids == ["a", "u3", "u4"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_user_who_is_forgotten_leaves_at_once_and_a_restart_changes_no_bit(random_period, strategy):
    periods = [random_period(seed, users=6, categories=3) for seed in range(6)]
    gone = {digest_of("u2")}
    periods[3] = without(periods[3], gone)
    chosen, forgotten = settings(strategy=strategy), {4: gone}
    whole = run(chosen, periods[:4], forgotten=forgotten)
    assert "u2" in whole[2]["user"]["id"].to_pylist()
    assert "u2" not in whole[3]["user"]["id"].to_pylist()
    whole = run(chosen, periods, forgotten=forgotten)
    broken = run(chosen, periods, restart=range(2, 7), forgotten=forgotten)
    assert all(same(one, two) for one, two in zip(whole, broken, strict=True))
    # The user comes back in the period after, as anybody new.
    assert whole[4]["user"]["id"].to_pylist()[-1] == "u2"


def test_what_is_left_of_a_forgotten_users_samples_is_nobodys_and_moves_no_other(random_period):
    samples = random_period(1, users=5, impressions=True)
    gone = without(samples, {digest_of("u1"), digest_of("u3"), digest_of("never seen")})
    theirs = np.isin(samples.users.take(pa.array(samples.user)).to_pylist(), ["u1", "u3"])
    assert nobodys(gone) == theirs.sum() > 0
    users = np.array(gone.users.take(pa.array(gone.user)).to_pylist())
    assert (users[theirs] == "").all()
    assert (np.diff(gone.history_offsets)[theirs] == 0).all()
    assert (gone.row_hash[theirs] == 0).all()
    assert set(gone.impression_id.filter(pa.array(theirs)).to_pylist()) == {"-"}
    others = np.flatnonzero(~theirs)
    one, two = samples.take(others), gone.take(others)
    assert one.encode() == two.encode()
    assert without(samples, ()) is samples
