import numpy as np
import pytest
import torch
from arrow_parts import ipc, through_ipc

from stream.errors import ConfigurationError, CorruptArtefact, MissingArtefact
from trainer.activity import activity_after
from trainer.adam import grown_moments, zero_moments
from trainer.batches import make_examples
from trainer.catalogue import Catalogue
from trainer.model import grown, initial_theta
from trainer.settings import TrainerSettings
from trainer.snapshot import Snapshot, model_parts, read_catalogue, read_snapshot, read_theta, snapshot_parts
from trainer.update import update

CASES = [
    TrainerSettings(batch=16, strategy="iu"),
    TrainerSettings(batch=16, moments="fresh", user_rows="hash:9", strategy="iu"),
    TrainerSettings(batch=16, moments="lazy", item_rows="hash:7", category_rows="hash:3", strategy="iu"),
]


def trained(periods, settings, categories):
    catalogue = Catalogue(settings, categories)
    theta = initial_theta(catalogue.columns(), settings, 0)
    snapshot = Snapshot(theta, zero_moments(theta.named()), {})
    for period, samples in enumerate(periods, start=1):
        snapshot = step(snapshot, catalogue, samples, period, settings)
    return snapshot, catalogue


def step(snapshot, catalogue, samples, period, settings):
    catalogue.extend(samples)
    theta = grown(snapshot.theta, catalogue.columns(), settings, 0)
    moments = grown_moments(snapshot.moments, theta.named())
    examples = make_examples(samples, catalogue, period, 0, 1)
    theta, moments = update(theta, moments, examples, catalogue, settings, 0)
    return Snapshot(theta, moments, activity_after(samples, catalogue, period, snapshot.activity))


@pytest.mark.parametrize("categories", [0, 4])
@pytest.mark.parametrize("settings", CASES)
def test_a_snapshot_comes_back_bit_for_bit_and_goes_on_as_if_never_written(
    random_period, settings, categories
):
    periods = [random_period(seed, items=10 + 10 * seed, categories=categories) for seed in range(3)]
    snapshot, catalogue = trained(periods[:2], settings, categories > 0)
    parts = snapshot_parts(snapshot, catalogue, settings)
    stored = through_ipc(parts)
    again, catalogue_again = read_snapshot(stored, settings), read_catalogue(stored, settings)
    for name, table in snapshot_parts(again, catalogue_again, settings).items():
        assert ipc(table) == ipc(parts[name]), name
    one = step(snapshot, catalogue, periods[2], 3, settings)
    two = step(again, catalogue_again, periods[2], 3, settings)
    for name, table in snapshot_parts(one, catalogue, settings).items():
        assert ipc(table) == ipc(snapshot_parts(two, catalogue_again, settings)[name]), name


def test_fresh_moments_are_not_written(random_period):
    settings = TrainerSettings(moments="fresh", strategy="iu")
    parts = snapshot_parts(*trained([random_period(1)], settings, False), settings)
    assert parts["item"].column_names == [
        "id", "vector", "positives", "impressions", "positives_so_far", "last_seen"
    ]  # fmt: skip


def test_a_model_alone_is_read_from_its_parts(random_period):
    settings = TrainerSettings(strategy="iu")
    snapshot, catalogue = trained([random_period(1, categories=3)], settings, True)
    theta = read_theta(through_ipc(model_parts(snapshot.theta, catalogue)))
    assert list(theta.named()) == list(snapshot.theta.named())
    assert all(torch.equal(one, snapshot.theta.named()[name]) for name, one in theta.named().items())


def test_activity_counts_samples_positives_and_the_period_last_seen(samples_of):
    settings = TrainerSettings(strategy="iu")
    first = samples_of(
        [("a", "x", {}), ("a", "x", {"history": ["x"]}), ("b", "y", {"label": 0, "impression": "p"})]
    )
    second = samples_of([("b", "x", {}), ("b", "z", {"history": ["y"]})])
    snapshot, _ = trained([first, second], settings, False)
    item = snapshot.activity["item"]  # x, y, z
    assert item.positives.tolist() == [1, 0, 1]
    assert item.impressions.tolist() == [1, 0, 1]
    assert item.positives_so_far.tolist() == [3, 0, 1]
    assert item.last_seen.tolist() == [2, 1, 2]
    assert snapshot.activity["user"].last_seen.tolist() == [1, 2]


def test_a_missing_part_or_column_is_named(random_period):
    settings = TrainerSettings(strategy="iu")
    parts = snapshot_parts(*trained([random_period(1)], settings, False), settings)
    with pytest.raises(MissingArtefact, match="'mlp'"):
        read_theta({name: table for name, table in parts.items() if name != "mlp"})
    with pytest.raises(CorruptArtefact, match="'vector'"):
        read_theta(parts | {"item": parts["item"].drop_columns(["vector"])})


def test_a_table_hashed_into_another_number_of_rows_is_refused(random_period):
    settings = TrainerSettings(user_rows="hash:9", strategy="iu")
    parts = snapshot_parts(*trained([random_period(1)], settings, False), settings)
    with pytest.raises(ConfigurationError, match="user_rows is hash:8"):
        read_catalogue(parts, TrainerSettings(user_rows="hash:8", strategy="iu"))


def test_parts_hold_no_nulls_and_one_chunk_per_column(random_period):
    settings = TrainerSettings(strategy="iu")
    parts = snapshot_parts(*trained([random_period(1, categories=3)], settings, True), settings)
    for table in parts.values():
        assert all(one.null_count == 0 and one.num_chunks == 1 for one in table.columns)
        assert np.array_equal([one.chunk(0).offset for one in table.columns], np.zeros(table.num_columns))
