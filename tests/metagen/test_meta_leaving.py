"""Ids that leave the tables under a generator: those that leave the base model, and no bit by a restart."""

from functools import partial

import numpy as np
import pyarrow as pa
import pytest
import torch
from arrow_parts import loaded, stored

from metagen.forgotten import rows_of, without_users
from metagen.generators import generator_of
from metagen.periods import MetaModel
from metagen.settings import MetagenSettings
from stream.errors import ConfigurationError
from stream.forgotten import digest_of, without
from trainer.periods import BaseModel, PastPeriod
from trainer.settings import TrainerSettings

CPU = torch.device("cpu")

CASES = [
    ({"strategy": "iu-activity"}, {"generator": "asmg-plus", "k": 2}),
    ({"strategy": "iu-activity", "user_rows": "hash:9"}, {"generator": "asmg-plus"}),
    ({"strategy": "iu", "moments": "lazy"}, {"generator": "asmg-gru-multi", "k": 2}),
    ({"strategy": "iu", "item_rows": "hash:7"}, {"generator": "asmg-gru-multi", "k": 1}),
    ({"strategy": "iu"}, {"generator": "asmg-gru-full", "full_k": 3}),
    ({"strategy": "iu"}, {"generator": "asmg-linear"}),
    ({"strategy": "iu"}, {"generator": "average", "k": 2}),
    ({"strategy": "iu"}, {"generator": "ema", "decay": 0.7}),
    ({"strategy": "iu-activity"}, {"generator": "iu-calibrated"}),
]


def run(periods, trainer, metagen, restart=(), forgotten=None, taken_out=(), cleaned=lambda _star: range(9)):
    """Parts of every period; both workers forget everything before each period in `restart`, and read parts
    that users (digests) were taken out of: of the versions of Θ, or Θ*, that are `cleaned`.
    """

    def read(models, version):
        parts = loaded(models[version])
        if trainer.user_rows != "grow" or version not in cleaned(models is stars):
            return parts
        return without_users(parts, rows_of(parts["user"], taken_out))

    forgotten = forgotten or {}
    generator = generator_of(metagen, trainer.batch, 3)
    fresh = partial(MetaModel, generator, trainer, 3, metagen.hidden_size, CPU)
    base, meta = BaseModel.begin(trainer, 3, CPU, periods[0]), fresh()
    thetas, stars, scores = {}, {}, []
    for number, samples in enumerate(periods, start=1):
        if number in restart:
            base = BaseModel.restore(trainer, 3, CPU, read(thetas, number - 1))
            meta = fresh()
            past = range(max(1, number - meta.reach), number)
            meta.restore(
                [
                    PastPeriod(one, periods[one - 1], read(thetas, one), forgotten.get(one, ()))
                    for one in past
                ],
                read(stars, number - 1) if number - 1 in stars else None,
            )
        gone = forgotten.get(number, ())
        base.learn(base.read(number, samples, gone))
        thetas[number] = stored(base.parts())
        meta.read(number, samples, gone)
        scores.append(meta.score())
        meta.train()
        parts = meta.generate(loaded(thetas[number]))
        if parts is not None:
            stars[number] = stored(parts)
    return thetas, stars, scores


def moving(random_period, count=8):
    """Periods whose odd ids are others every two periods, and come back after six."""
    found = []
    for seed in range(count):
        samples = random_period(seed, items=20, categories=4)
        names = {
            name: pa.array(
                [
                    f"{one}-{seed // 2 % 3}" if place % 2 else one
                    for place, one in enumerate(getattr(samples, name).to_pylist())
                ],
                pa.string(),
            )
            for name in ("users", "items", "categories")
        }
        found.append(type(samples)(**vars(samples) | names))
    return found


@pytest.mark.parametrize(("trainer", "metagen"), CASES)
@pytest.mark.parametrize("after", [1, 3])
def test_workers_restarted_while_ids_leave_and_come_back_make_the_same_bytes(
    random_period, trainer, metagen, after
):
    trainer = TrainerSettings(embedding=8, batch=16, forget_after=after, **trainer)
    metagen, periods = MetagenSettings(**metagen), moving(random_period)
    whole = run(periods, trainer, metagen)
    assert run(periods, trainer, metagen, restart=range(2, 9)) == whole
    thetas, stars, _ = whole
    rows = [loaded(thetas[one])["catalogue"].num_rows for one in range(1, 9)]
    assert rows != sorted(rows)  # some left
    for version, star in stars.items():
        theta, star = loaded(thetas[version]), loaded(star)
        for name in ("user", "item", "category", "catalogue"):
            assert star[name]["id"].equals(theta[name]["id"])


@pytest.mark.parametrize(("trainer", "metagen"), [CASES[0], CASES[2]])
def test_where_nobody_is_idle_for_so_long_every_model_is_the_same(random_period, trainer, metagen):
    periods, metagen = moving(random_period), MetagenSettings(**metagen)
    trainer = TrainerSettings(embedding=8, batch=16, **trainer)
    without_it = run(periods, trainer, metagen)
    with_it = run(periods, trainer.model_copy(update={"forget_after": 8}), metagen)
    for one, two in zip(without_it[:2], with_it[:2], strict=True):
        assert one.keys() == two.keys()
        for version in one:
            there = loaded(two[version])
            there["catalogue"] = there["catalogue"].drop_columns("named_in")
            assert stored(there) == one[version]
    assert without_it[2] == with_it[2]


@pytest.mark.parametrize(("trainer", "metagen"), [CASES[0], CASES[2]])
def test_rows_that_stay_are_generated_as_if_nobody_had_left(samples_of, trainer, metagen):
    """Those who leave are in no sample later, and no negatives are drawn: nothing else can feel them."""
    first = samples_of([("gone", "old", {}), ("a", "x", {}), ("b", "y", {})])
    later = samples_of([("a", "y", {"history": ["x"]}), ("b", "x", {})])
    periods, metagen = [first, *[later] * 6], MetagenSettings(**metagen)
    trainer = TrainerSettings(embedding=8, batch=16, negatives=0, **trainer)
    kept = loaded(run(periods, trainer, metagen)[1][7])
    compacted = loaded(run(periods, trainer.model_copy(update={"forget_after": 4}), metagen)[1][7])
    assert compacted["user"]["id"].to_pylist() == ["a", "b"]
    for name in ("user", "item"):
        stays = pa.array(np.isin(kept[name]["id"].to_pylist(), compacted[name]["id"].to_pylist()))
        for part in (name, f"hidden/{name}"):
            one, two = (np.array(parts[part]["vector"].to_pylist()) for parts in (kept, compacted))
            # A matrix product of other rows may round otherwise.
            np.testing.assert_allclose(one[stays.to_numpy(zero_copy_only=False)], two, atol=1e-6)


@pytest.mark.parametrize(("trainer", "metagen"), CASES)
def test_a_user_who_is_forgotten_leaves_the_generator_too(random_period, trainer, metagen):
    gone = {digest_of("u2")}
    periods = [random_period(seed, users=6, categories=3) for seed in range(8)]
    periods[5] = without(periods[5], gone)
    trainer, metagen = TrainerSettings(embedding=8, batch=16, **trainer), MetagenSettings(**metagen)
    whole = run(periods, trainer, metagen, forgotten={6: gone})
    assert run(periods, trainer, metagen, restart=range(2, 9), forgotten={6: gone}) == whole
    # Who starts again from versions that `asmg forget` has cleaned, or was killed over, comes to the same.
    for cleaned in (lambda _: range(9), lambda star: () if star else range(9), lambda star: range(5 - star)):
        again = run(
            periods, trainer, metagen, restart=[6], forgotten={6: gone}, taken_out=gone, cleaned=cleaned
        )
        assert again == whole
    if trainer.user_rows == "grow":
        named = {version: loaded(star)["user"]["id"].to_pylist() for version, star in whole[1].items()}
        assert "u2" in named[5]
        assert "u2" not in named[6]
        assert named[7][-1] == "u2"


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_a_generator_that_comes_to_models_that_users_were_taken_out_of_follows_them(random_period, order):
    """As a shadow that is named later does: the data still name the user, some of the models do no more."""
    trainer = TrainerSettings(embedding=8, batch=16, strategy="iu")
    metagen, gone = MetagenSettings(generator="asmg-plus", k=2), {digest_of("u2")}
    periods = [random_period(seed, users=6, categories=3) for seed in range(6)]
    thetas = {one: loaded(parts) for one, parts in run(periods, trainer, metagen)[0].items()}
    for version in list(thetas)[order][:3]:
        parts = thetas[version]
        thetas[version] = without_users(parts, rows_of(parts["user"], gone))
    meta = MetaModel(generator_of(metagen, 16, 3), trainer, 3, metagen.hidden_size, CPU)
    for number, samples in enumerate(periods, start=1):
        meta.read(number, samples)
        meta.score()
        meta.train()
        star = meta.generate(thetas[number])
        assert meta.catalogue.users.ids == thetas[number]["user"]["id"].to_pylist()
        for one in meta.models:  # each id has its own vector, or the initial one
            theirs = thetas[one.period]["user"]
            vectors = dict(zip(theirs["id"].to_pylist(), theirs["vector"].to_pylist(), strict=True))
            rows = one.theta.tables["user"].tolist()
            for user, row in zip(meta.catalogue.users.ids, rows, strict=True):
                assert user not in vectors or vectors[user] == row
    assert star["user"]["id"].equals(thetas[6]["user"]["id"])


def test_another_rule_for_the_base_model_is_refused(random_period):
    trainer = TrainerSettings(embedding=8, batch=16, strategy="iu", forget_after=1)
    metagen, periods = MetagenSettings(generator="average"), moving(random_period)
    base = BaseModel.begin(trainer, 3, CPU, periods[0])
    other = trainer.model_copy(update={"forget_after": None})
    meta = MetaModel(generator_of(metagen, 16, 3), other, 3, 4, CPU)

    def go_on():
        for number, samples in enumerate(periods, start=1):
            base.learn(base.read(number, samples))
            meta.read(number, samples)
            meta.generate(base.parts())

    with pytest.raises(ConfigurationError, match=r"set trainer\.forget_after alike for train"):
        go_on()
