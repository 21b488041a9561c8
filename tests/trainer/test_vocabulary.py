from hashlib import blake2b

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainer.vocabulary import UNKNOWN, Vocabulary, id_hashes, initial_vectors

ids = st.lists(st.text(max_size=6), max_size=30)


@given(ids, ids)
def test_a_row_never_moves_and_new_ids_get_the_next_rows_in_order(first, second):
    column = Vocabulary("item", ids=first)
    before = dict(zip(first, column.look_up(first).tolist(), strict=True))
    column.admit(second)
    assert all(column.look_up([one])[0] == row for one, row in before.items())
    assert column.ids == list(dict.fromkeys([*first, *second]))
    assert column.look_up(column.ids).tolist() == list(range(len(column)))


@given(ids, ids)
def test_admitting_in_two_steps_is_admitting_at_once(first, second):
    stepwise = Vocabulary("user", ids=first)
    stepwise.admit(second)
    assert stepwise.ids == Vocabulary("user", ids=[*first, *second]).ids


def test_an_unknown_id_of_a_growing_column_has_no_row():
    assert Vocabulary("item", ids=["a"]).look_up(["b", "a"]).tolist() == [UNKNOWN, 0]


@given(st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=20), st.integers(1, 1000))
def test_a_hashed_column_knows_every_id_and_never_grows(names, buckets):
    column = Vocabulary("user", buckets)
    rows = column.look_up(names)
    column.admit(names)
    assert len(column) == buckets
    assert ((rows >= 0) & (rows < buckets)).all()
    assert (column.look_up(names) == rows).all()


def test_a_user_who_is_forgotten_has_no_row_in_either():
    growing, hashed = Vocabulary("user", ids=["a", "", "b"]), Vocabulary("user", 7)
    assert growing.ids == ["a", "b"]
    assert growing.look_up(["", "b"]).tolist() == [UNKNOWN, 1]
    assert hashed.look_up(["a", ""]).tolist() == [hashed.look_up(["a"])[0], UNKNOWN]


def test_the_hash_of_an_id_is_keyed_blake2b_and_differs_between_columns():
    digest = blake2b(b"186964", digest_size=8, key=b"asmg:user").digest()
    assert id_hashes("user", ["186964"])[0] == int.from_bytes(digest, "little")
    assert id_hashes("item", ["186964"])[0] != id_hashes("user", ["186964"])[0]


@given(st.integers(-(2**31), 2**31), st.lists(st.text(max_size=6), min_size=1, max_size=8))
def test_an_initial_vector_depends_on_seed_table_and_id_alone(seed, names):
    together = initial_vectors(seed, "item", names, 8, 20_000)
    alone = np.concatenate([initial_vectors(seed, "item", [one], 8, 20_000) for one in names])
    np.testing.assert_array_equal(together, alone)
    assert (together != initial_vectors(seed + 1, "item", names, 8, 20_000)).any()
    assert (together != initial_vectors(seed, "user", names, 8, 20_000)).any()


def test_initial_vectors_are_glorot_uniform():
    values = initial_vectors(0, "item", [str(one) for one in range(20_000)], 8, 20_000).astype(np.float64)
    limit = np.sqrt(6 / 20_008)
    assert np.abs(values).max() <= limit
    assert abs(values.mean()) < limit / 200
    assert abs(values.var() - limit**2 / 3) < limit**2 / 100
    assert np.abs(np.corrcoef(values.T) - np.eye(8)).max() < 0.03
