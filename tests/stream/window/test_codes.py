"""Ids as codes and hashes, and codes that are renumbered as numpy would."""

from hashlib import blake2b

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from stream.window.codes import Codes, hashes_of
from stream.window.kernels import renumber


def of_hashlib(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=20))
def test_hashes_are_those_of_hashlib(names: list[str]) -> None:
    assert hashes_of(pa.array(names, pa.string())).tolist() == list(map(of_hashlib, names))


def test_hashes_of_texts_of_every_length_around_blocks_are_those_of_hashlib() -> None:
    names = ["é" * (length // 2) + "x" * (length % 2) for length in [*range(0, 260), 1023, 1024, 1025, 2048]]
    assert hashes_of(pa.array(names, pa.string())).tolist() == list(map(of_hashlib, names))
    assert hashes_of(pa.array(names, pa.string())[100:140]).tolist() == list(map(of_hashlib, names[100:140]))


def test_an_integer_and_its_digits_are_one_id_whichever_comes_first() -> None:
    codes = Codes()
    assert codes.of([7, "7", "x", 7, 12, "12"]).tolist() == [0, 0, 1, 0, 2, 2]
    assert codes.names == ["7", "x", "12"]


@given(st.lists(st.integers(0, 12), max_size=60))
def test_renumbering_is_what_unique_gives(given_codes: list[int]) -> None:
    codes = np.array(given_codes, np.int32)
    used, places = renumber(codes, 13)
    wanted, inverse = np.unique(codes, return_inverse=True)
    assert used.tolist() == wanted.tolist()
    assert places.tolist() == inverse.tolist()
