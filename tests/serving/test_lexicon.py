"""Ids are kept once for all versions of a model, and each version knows its own and no others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from serving import lexicon
from serving.lexicon import Ids, Lexicon
from trainer.vocabulary import UNKNOWN

quick = examples(max_examples=200, deadline=None)

ALL = ("a", "b", "c", "d", "é", "10", "9", "😀", "")
#: Ids that some version has, in the order they were admitted.
NAMES = st.permutations(ALL).flatmap(
    lambda order: st.integers(0, len(order)).map(lambda count: list(order[:count]))
)


def column(names: Sequence[str]) -> pa.StringArray:
    return pa.array(names, pa.string())


def rows(ids: Ids, asked: Sequence[str]) -> list[int]:
    found = ids.look_up(asked)
    assert found.dtype == np.int64
    return list(found.tolist())


def test_an_id_has_the_number_it_was_admitted_by_and_an_unknown_one_none() -> None:
    ids = Lexicon().version(column(["x", "y", "z"]))
    assert rows(ids, ["z", "never", "x", "z"]) == [2, UNKNOWN, 0, 2]
    assert rows(ids, []) == []
    assert len(ids) == 3
    assert ids.name(1) == "y"


def test_asking_for_an_unknown_id_does_not_admit_it() -> None:
    known = Lexicon()
    before = known.version(column(["x"]))
    assert rows(before, ["y"] * 3) == [UNKNOWN] * 3
    assert rows(known.version(column(["x", "z", "y"])), ["y", "z"]) == [2, 1]


def test_an_older_version_does_not_know_ids_of_a_newer_one() -> None:
    known = Lexicon()
    older = known.version(column(["x", "y"]))
    newer = known.version(column(["x", "y", "z"]))
    assert rows(older, ["x", "y", "z"]) == [0, 1, UNKNOWN]
    assert rows(newer, ["x", "y", "z"]) == [0, 1, 2]
    assert (len(older), len(newer)) == (2, 3)


def test_versions_that_go_on_from_one_another_share_their_ids() -> None:
    known = Lexicon()
    versions = [known.version(column(ALL[:count])) for count in (2, 5, 3, 9)]
    assert len({id(one._rows) for one in versions}) == 1
    assert rows(versions[2], ALL) == [0, 1, 2, *[UNKNOWN] * 6]


def test_another_history_of_ids_begins_anew_and_earlier_versions_keep_what_they_had() -> None:
    known = Lexicon()
    first, second = known.version(column(["x", "y"])), known.version(column(["x", "y", "z"]))
    other = known.version(column(["x", "q", "y", "z"]))
    assert rows(other, ["x", "q", "y", "z"]) == [0, 1, 2, 3]
    assert rows(first, ["x", "q", "y", "z"]) == [0, UNKNOWN, 1, UNKNOWN]
    assert rows(second, ["x", "q", "y", "z"]) == [0, UNKNOWN, 1, 2]
    further = known.version(column(["x", "q", "y", "z", "w"]))
    assert rows(further, ["w", "z"]) == [4, 3]
    assert rows(second, ["w"]) == [UNKNOWN]


def test_a_version_that_leaves_the_newest_at_its_last_id_begins_anew() -> None:
    known = Lexicon()
    newer = known.version(column(["x", "y", "z"]))
    known.version(column(["x", "y"]))
    other = known.version(column(["x", "y", "w"]))
    assert rows(other, ["z", "w"]) == [UNKNOWN, 2]
    assert rows(newer, ["z", "w"]) == [2, UNKNOWN]


def test_ids_are_admitted_piece_by_piece_without_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexicon, "_PIECE", 3)
    known, names = Lexicon(), [f"i{one}" for one in range(20)]
    for count in (1, 4, 11, 20):
        assert rows(known.version(column(names[:count])), names[:count]) == list(range(count))


def test_ids_are_compared_piece_by_piece_to_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexicon, "_COMPARED", 3)
    names = [f"i{one}" for one in range(10)]
    for place in range(10):
        known = Lexicon()
        known.version(column(names))
        other = [*names[:place], "other", *names[place + 1 :]]
        assert rows(known.version(column(other)), other) == list(range(10))
        assert rows(known.version(column(other[:5])), other[:5]) == list(range(5))


@given(st.lists(NAMES, min_size=1, max_size=6))
@quick
def test_each_version_looks_up_what_a_dict_of_it_alone_does(histories: list[list[str]]) -> None:
    known = Lexicon()
    versions = [known.version(column(names)) for names in histories]
    for names, ids in zip(histories, versions, strict=True):
        alone = {one: place for place, one in enumerate(names)}
        assert rows(ids, [*ALL, "never"]) == [alone.get(one, UNKNOWN) for one in [*ALL, "never"]]
        assert [ids.name(row) for row in range(len(ids))] == names


@given(st.permutations(ALL), st.lists(st.integers(0, len(ALL)), min_size=1, max_size=6))
@quick
def test_versions_of_one_history_share_ids_in_whatever_order_they_are_opened(
    order: list[str], counts: list[int]
) -> None:
    known = Lexicon()
    versions = [(count, known.version(column(order[:count]))) for count in counts]
    assert len({id(ids._rows) for _, ids in versions}) == 1
    for count, ids in versions:
        assert rows(ids, order) == [*range(count), *[UNKNOWN] * (len(order) - count)]
