"""Joint batches: every index leads to the row that the example names, late rows first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metagen.joint import joint_batches
from metagen.touched import Touched, _numbered
from trainer.batches import make_examples, shuffled
from trainer.catalogue import Catalogue
from trainer.settings import TrainerSettings


def read(random_period, sizes, rows, categories):
    catalogue = Catalogue(
        TrainerSettings(item_rows=rows, user_rows=rows, strategy="iu"), with_categories=bool(categories)
    )
    data = []
    for period, size in enumerate(sizes, start=1):
        samples = random_period(period, rows=size, items=10 + 9 * period, categories=categories)
        catalogue.extend(samples)
        data.append(make_examples(samples, catalogue, period, 0, 1))
    return catalogue, data


@pytest.mark.parametrize("rows", ["grow", "hash:7"])
@pytest.mark.parametrize("categories", [0, 4])
@pytest.mark.parametrize("sizes", [(60, 60, 60), (10, 80, 33), (60, 60, 3), (90,)])
def test_a_step_reads_what_its_examples_name(random_period, rows, categories, sizes, monkeypatch):
    monkeypatch.setattr("metagen.joint.CHUNK", 2)
    catalogue, data = read(random_period, sizes, rows, categories)
    touched = Touched.of(data, catalogue)
    sets = [shuffled(one, 5) for one in data]
    runs = -(-len(data[-1]) // 16)
    for run, joint in enumerate(joint_batches(touched, 16, 5, 0)):
        for i, (one, batch) in enumerate(zip(sets, joint.steps(), strict=True)):
            part = one.part(len(one) * run // runs, len(one) * (run + 1) // runs)
            table = {name: touched.rows[name][places].numpy() for name, places in joint.rows.items()}
            assert all(len(batch.rows[name]) == joint.counts[name][i] for name in table)
            np.testing.assert_array_equal(table["user"][batch.user], part.user)
            items = table["item"][batch.item_row]  # rows of the step's items
            np.testing.assert_array_equal(items[batch.item], catalogue.item_row[part.item])
            np.testing.assert_array_equal(items[batch.history.index], catalogue.item_row[part.history])
            np.testing.assert_array_equal(batch.history.offsets, part.history_offsets[:-1])
            lengths = np.diff(part.history_offsets)
            np.testing.assert_allclose(batch.history.weight, np.repeat(1 / np.maximum(lengths, 1), lengths))
            np.testing.assert_array_equal(batch.label, part.label)
            if categories:
                ends = np.append(batch.category.offsets[1:], len(batch.category.index))
                for place, number in zip(batch.item.tolist(), part.item.tolist(), strict=True):
                    mine = batch.category.index[batch.category.offsets[place] : ends[place]]
                    _, expected = catalogue.categories_of(np.array([number]))
                    np.testing.assert_array_equal(table["category"][mine], expected)
    assert run == runs - 1


def test_rows_are_named_once_and_those_that_late_steps_read_come_first(random_period):
    catalogue, data = read(random_period, (60, 60, 60), "grow", 3)
    for joint in joint_batches(Touched.of(data, catalogue), 16, 0, 0):
        for name, rows in joint.rows.items():
            assert len(rows.unique()) == len(rows) == joint.counts[name][0]
            assert joint.counts[name] == sorted(joint.counts[name], reverse=True)
            places = [rows[: joint.counts[name][step]] * 3 + step for step in (2, 1, 0)]
            np.testing.assert_array_equal(joint.places[name], np.concatenate(places))
        newest = joint.steps()[-1]
        assert set(newest.user.tolist()) == set(range(joint.counts["user"][-1]))


def test_the_whole_lays_the_steps_one_behind_the_other_newest_first(random_period):
    catalogue, data = read(random_period, (60, 40, 50), "grow", 3)
    for joint in joint_batches(Touched.of(data, catalogue), 16, 0, 0):
        laid = {
            name: np.concatenate([rows[:n] for n in joint.counts[name][::-1]])
            for name, rows in joint.rows.items()
        }
        steps = joint.steps()[::-1]
        users = np.concatenate([joint.rows["user"][one.user] for one in steps])
        np.testing.assert_array_equal(laid["user"][joint.whole.user], users)
        items = laid["item"][joint.whole.item_row]
        expected = np.concatenate([one.rows["item"][one.item_row][one.history.index] for one in steps])
        np.testing.assert_array_equal(items[joint.whole.history.index], expected)
        shares = joint.shares([1.0, 2.0, 4.0])
        lengths = [len(one.label) for one in steps]
        expected = np.repeat([4 / lengths[0], 2 / lengths[1], 1 / lengths[2]], lengths)
        np.testing.assert_allclose(shares, expected)


@given(st.lists(st.lists(st.integers(0, 30), max_size=20), min_size=1, max_size=4))
def test_values_are_numbered_in_their_order(parts):
    arrays = [np.array(one, np.int64) for one in parts]
    values, places = _numbered(arrays)
    np.testing.assert_array_equal(values, np.unique(np.concatenate(arrays)))
    for array, place in zip(arrays, places, strict=True):
        np.testing.assert_array_equal(values[place], array)
