"""Serving scores what training would score, and an id nobody has seen from its initial vector."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from serving_factory import SEED, Factory, load, opened

from serving.model import Model
from stream.records import Kind
from stream.samples import Samples
from trainer.activity import no_activity
from trainer.batches import make_examples
from trainer.catalogue import Catalogue
from trainer.model import Theta, grown, initial_theta
from trainer.score import logits_of
from trainer.settings import TrainerSettings
from trainer.snapshot import model_parts, read_catalogue

NO_ACTIVITY = {name: no_activity(0) for name in ("user", "item", "category")}
TABLES = [
    TrainerSettings(batch=16),
    TrainerSettings(batch=16, categories="no"),
    TrainerSettings(batch=16, user_rows="hash:7", item_rows="hash:11", category_rows="hash:3"),
    TrainerSettings(batch=16, item_rows="hash:11"),
    TrainerSettings(batch=16, strategy="sml-mf"),
]


def ids(samples: Samples, row: int) -> tuple[str, str, list[str], list[str]]:
    """user, item, history, categories of a sample."""
    history = samples.history[samples.history_offsets[row] : samples.history_offsets[row + 1]]
    categories = samples.category[samples.category_offsets[row] : samples.category_offsets[row + 1]]
    return (
        samples.users[int(samples.user[row])].as_py(),
        samples.items[int(samples.item[row])].as_py(),
        [samples.items[int(code)].as_py() for code in history],
        [samples.categories[int(code)].as_py() for code in categories],
    )


def theta_of(model: Model) -> Theta:
    """What it answers with, as the trainer has it."""
    tables, mlp = (
        {name: torch.from_numpy(np.array(one)) for name, one in each.items()}
        for each in (model.tables, model.mlp)
    )
    return Theta(tables, mlp)


def with_biases(model: Model, settings: TrainerSettings) -> Model:
    """The model as a generator that makes biases gives it."""
    draw = np.random.default_rng(1)
    biased = {
        name: np.concatenate([model.tables[name], draw.normal(size=(len(model.tables[name]), 1))], axis=1)
        for name in ("user", "item")
    }
    tables = {**model.tables, **{name: one.astype(np.float32) for name, one in biased.items()}}
    return Model(tables, model.mlp, model.catalogue, settings, SEED)


def trained(factory: Factory, settings: TrainerSettings) -> Model:
    factory.settings = settings
    factory.next()
    factory.next()
    model = opened(factory.parts("theta"), settings)
    # Of activity there are tests below.
    return Model(model.tables, model.mlp, model.catalogue, settings, SEED)


@pytest.mark.parametrize("settings", TABLES)
def test_scores_are_those_that_training_gives_the_same_samples(
    factory: Factory, settings: TrainerSettings
) -> None:
    model = trained(factory, settings)
    samples = factory.read[-1]
    catalogue = read_catalogue(factory.parts("theta"), settings)
    examples = make_examples(samples, catalogue, 2, SEED, 0)
    expected = logits_of(theta_of(model), examples, catalogue)
    found = []
    for row in range(len(samples)):
        user, item, history, _ = ids(samples, row)
        found.append(model.score(user, history, [item]).logits[0])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("slot", [False, True])
@pytest.mark.parametrize("settings", TABLES)
def test_a_sample_of_the_next_period_is_scored_as_the_trainer_scores_it_with_its_new_ids(
    factory: Factory, settings: TrainerSettings, random_period: Callable[..., Samples], slot: bool
) -> None:
    model = trained(factory, settings)
    if slot:
        model = with_biases(model, settings)
    samples = random_period(9, rows=40, users=200, items=300, categories=30)
    found = []
    for row in range(len(samples)):
        user, item, history, categories = ids(samples, row)
        one = samples.take(np.array([row]))
        catalogue = read_catalogue(factory.parts("theta"), settings)
        catalogue.extend(one)
        theta = grown(theta_of(model), catalogue.columns(), settings, SEED)
        expected = logits_of(theta, make_examples(one, catalogue, 3, SEED, 0), catalogue)[0]
        scores = model.score(user, history, [item], {item: categories} if categories else {})
        np.testing.assert_allclose(scores.logits[0], expected, rtol=1e-5, atol=1e-6)
        found.append(scores)
    assert any(one.unknown_items for one in found)
    assert any(one.unknown_user for one in found) == (settings.user_rows == "grow")


def test_many_candidates_are_scored_as_one_by_one(factory: Factory) -> None:
    model = trained(factory, TABLES[0])
    candidates = ["never", *model.catalogue.items.names.to_pylist(), "seen"]
    given: dict[str, Sequence[str]] = {"never": ["c1", "new"], candidates[3]: ["c2"]}
    history = [candidates[2], "gone", candidates[5]]
    together = model.score("u1", history, candidates, given)
    alone = [model.score("u1", history, [one], given).logits[0] for one in candidates]
    np.testing.assert_allclose(together.logits, alone, rtol=1e-5, atol=1e-6)
    assert together.unknown_items == 2
    assert not together.unknown_user


def test_a_user_without_history_and_without_row_is_answered(factory: Factory) -> None:
    scores = trained(factory, TABLES[0]).score("stranger", [], ["i1", "i2"])
    assert scores.unknown_user
    assert np.isfinite(scores.logits).all()


def test_categories_of_an_item_are_those_given_else_the_catalogues(factory: Factory) -> None:
    model = trained(factory, TABLES[0])
    sample = factory.read[-1]
    item = sample.items[int(sample.item[-1])].as_py()
    known = model.categories_of(item, {})
    assert known
    assert set(known) <= {f"c{one}" for one in range(4)}
    assert model.categories_of(item, {item: ["x"]}) == ["x"]
    assert not model.categories_of("never", {})


def test_a_model_whose_category_table_is_empty_scores(factory: Factory) -> None:
    factory.settings, factory.categories = TrainerSettings(batch=16, categories="yes"), 0
    factory.next()
    parts = factory.parts("theta")
    model = opened(parts, factory.settings)
    assert np.isfinite(model.score("u1", ["i1"], ["i2", "x"], {"x": ["c"]}).logits).all()


def test_an_empty_catalogue_scores() -> None:
    settings = TrainerSettings()
    catalogue = Catalogue(settings, with_categories=True)
    parts = model_parts(initial_theta(catalogue.columns(), settings, SEED), catalogue, NO_ACTIVITY)
    assert opened(parts, settings).score("u", [], ["a", "b"]).unknown_items == 2


@pytest.mark.parametrize("kind", ["theta", "star"])
@pytest.mark.parametrize("users", ["grow", "hash:7"])
def test_a_model_that_reads_activity_scores_what_the_trainer_scores(
    factory: Factory, random_period: Callable[..., Samples], kind: Kind, users: str
) -> None:
    factory.settings = TrainerSettings(batch=16, strategy="iu-activity", user_rows=users)
    factory.next()
    announced = factory.next(kind)
    model = load(factory.store, announced, factory.settings)
    assert factory.base is not None
    next_period = random_period(9, rows=40, users=200, items=300, categories=0)
    examples = factory.base.read(3, next_period).examples
    expected = logits_of(factory.base.snapshot.theta, examples, factory.base.catalogue)
    for row in range(len(next_period)):
        user, item, history, _ = ids(next_period, row)
        scores = model.score(user, history, [item])
        np.testing.assert_allclose(scores.logits[0], expected[row], rtol=1e-5, atol=1e-6)
