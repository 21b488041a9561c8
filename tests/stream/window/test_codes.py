"""Ids as codes and hashes, and codes that are renumbered as numpy would."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64

from stream.renumber import renumber
from stream.window.codes import Codes, hashes_of


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=300), max_size=20))
def test_hashes_are_xxh3_over_utf8(names: list[str]) -> None:
    assert hashes_of(names).tolist() == [xxh3_64(name.encode()).intdigest() for name in names]


def test_the_hash_of_nothing_is_the_one_that_the_specification_gives() -> None:
    assert hashes_of([""]).tolist() == [0x2D06800538D394C2]


def test_an_integer_and_its_digits_are_one_id_whichever_comes_first() -> None:
    codes = Codes()
    assert codes.of([7, "7", "x", 7, 12, "12"]).tolist() == [0, 0, 1, 0, 2, 2]
    assert codes.names == ["7", "x", "12"]


@given(st.lists(st.lists(st.integers(0, 200), max_size=40), max_size=8))
def test_texts_are_the_names_of_codes_however_many_came_since(batches: list[list[int]]) -> None:
    codes = Codes()
    for ids in batches:
        wanted = [str(one) for one in ids]
        assert codes.texts(codes.of(wanted)).to_pylist() == wanted


@settings(deadline=None)  # what is compiled is compiled first
@given(st.lists(st.integers(0, 12), max_size=60))
def test_renumbering_is_what_unique_gives(given_codes: list[int]) -> None:
    codes = np.array(given_codes, np.int32)
    place = np.zeros(13, np.int32)
    used, places = renumber(codes, place)
    wanted, inverse = np.unique(codes, return_inverse=True)
    assert used.tolist() == wanted.tolist()
    assert places.tolist() == inverse.tolist()
    assert not place.any()  # so that it can be used again
