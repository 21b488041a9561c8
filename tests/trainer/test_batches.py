import numpy as np
import pytest

from trainer.batches import batches, make_batch, make_examples, shuffled
from trainer.catalogue import Catalogue
from trainer.model import forward, initial_theta
from trainer.score import logits_of
from trainer.settings import TrainerSettings

GROW = TrainerSettings(strategy="iu")


def catalogue_of(*periods, settings=GROW, categories=False):
    catalogue = Catalogue(settings, categories)
    for samples in periods:
        catalogue.extend(samples)
    return catalogue


def test_each_click_gets_a_negative_of_its_user_and_history_and_impressions_get_none(samples_of):
    samples = samples_of(
        [
            ("a", "x", {}),
            ("b", "y", {"history": ["x"]}),
            ("a", "z", {"impression": "p1", "label": 0}),
            ("a", "w", {"impression": "p2", "label": 1}),
        ]
    )
    examples = make_examples(samples, catalogue_of(samples), 1, 0, 1)
    assert examples.label.tolist() == [1, 1, 0, 1, 0, 0]
    assert examples.user[4:].tolist() == examples.user[:2].tolist()
    assert examples.item[4] != examples.item[0]
    assert examples.item[5] not in (examples.item[0], examples.item[1])
    assert np.diff(examples.history_offsets).tolist() == [0, 1, 0, 0, 0, 1]


def test_items_are_numbered_in_order_of_first_appearance_targets_before_histories(samples_of):
    samples = samples_of([("a", "x", {"history": ["old"]}), ("b", "y", {}), ("a", "x", {})])
    assert catalogue_of(samples).items.ids == ["x", "y", "old"]


def test_the_dictionaries_behind_the_samples_change_nothing(random_period):
    samples = random_period(3, categories=4)
    spread = type(samples).concat([samples.take(np.arange(k, 60, 4)) for k in range(4)])
    spread = spread.take(np.argsort(spread.number))
    one, two = (catalogue_of(each, categories=True) for each in (samples, spread))
    assert one.items.ids == two.items.ids
    assert one.users.ids == two.users.ids
    assert one.categories.ids == two.categories.ids
    a, b = make_examples(samples, one, 1, 0, 2), make_examples(spread, two, 1, 0, 2)
    for name in ("user", "item", "history", "label"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_an_item_has_the_categories_of_its_latest_sample_that_has_any(samples_of):
    first = samples_of([("a", "x", {"categories": ["p", "q"]}), ("a", "y", {"categories": ["p"]})])
    second = samples_of([("a", "x", {"categories": ["r"]}), ("a", "x", {}), ("b", "y", {}), ("b", "z", {})])
    catalogue = catalogue_of(first, second, categories=True)
    names = {
        item: [catalogue.categories.ids[row] for row in catalogue.categories_of(np.array([number]))[1]]
        for number, item in enumerate(catalogue.items.ids)
    }
    assert names == {"x": ["r"], "y": ["p"], "z": []}


@pytest.mark.parametrize("size", [1, 7, 64, 500])
def test_an_epoch_visits_every_example_once_in_an_order_that_seed_and_period_determine(random_period, size):
    samples = random_period(size, rows=30)
    catalogue = catalogue_of(samples)
    examples = make_examples(samples, catalogue, 1, 8, 1)
    mixed = shuffled(examples, 8)
    np.testing.assert_array_equal(mixed.item, shuffled(examples, 8).item)
    assert mixed.item.tolist() != shuffled(examples, 9).item.tolist()
    assert _rows(mixed) == _rows(examples)
    labels = [batch.label.numpy() for batch in batches(mixed, catalogue, size)]
    np.testing.assert_array_equal(np.concatenate(labels), mixed.label)


@pytest.mark.parametrize(
    "settings", [GROW, TrainerSettings(user_rows="hash:5", item_rows="hash:7", strategy="iu")]
)
def test_scores_do_not_depend_on_how_examples_are_batched(random_period, settings):
    samples = random_period(4, categories=5)
    catalogue = catalogue_of(samples, settings=settings, categories=True)
    theta = initial_theta(catalogue.columns(), settings, 0)
    examples = make_examples(samples, catalogue, 1, 0, 1)
    one_by_one = [forward(theta.touched(one), theta.mlp, one) for one in batches(examples, catalogue, 1)]
    np.testing.assert_allclose(
        np.array([float(one) for one in one_by_one]), logits_of(theta, examples, catalogue), atol=1e-6
    )


def test_a_batch_touches_each_row_it_reads_once(random_period):
    samples = random_period(5)
    catalogue = catalogue_of(samples)
    examples = make_examples(samples, catalogue, 1, 0, 1)
    batch = make_batch(examples, catalogue)
    assert batch.rows["user"].tolist() == sorted(set(examples.user.tolist()))
    assert batch.rows["item"].tolist() == sorted({*examples.item.tolist(), *examples.history.tolist()})


def _rows(examples):
    columns = (examples.user, examples.item, examples.label, np.diff(examples.history_offsets))
    return sorted(zip(*(column.tolist() for column in columns), strict=True))
