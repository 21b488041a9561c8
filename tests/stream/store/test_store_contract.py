"""What every store does: names are hashes of content, and content that is not its name's is refused."""

from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from parts import Kept, part

from stream.errors import CorruptArtefact, MissingArtefact
from stream.store import name_of


@settings(max_examples=20, deadline=None)
@given(rows=some.integers(0, 300), cuts=some.lists(some.integers(0, 300), max_size=4))
def test_a_table_has_one_name_however_it_is_chunked(rows: int, cuts: list[int]) -> None:
    table = part(rows)
    edges = [0, *sorted(min(cut, rows) for cut in cuts), rows]
    pieces = pa.concat_tables([table.slice(a, b - a) for a, b in pairwise(edges)])
    assert name_of(pieces) == name_of(table)


def test_what_is_put_once_or_twice_comes_back_bit_for_bit(kept: Kept) -> None:
    table = part(1000).replace_schema_metadata({"step": "7"})
    name = kept.store.put(table)
    assert name == name_of(table)
    assert kept.store.put(table) == name
    assert kept.store.get(name).equals(table, check_metadata=True)
    assert kept.store.has(name)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_part_may_be_small(kept: Kept, rows: int) -> None:
    assert kept.store.get(kept.store.put(part(rows))).equals(part(rows))


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "*" * 64])
def test_what_cannot_be_a_name_is_missing(kept: Kept, name: str) -> None:
    with pytest.raises(MissingArtefact):
        kept.store.get(name)


def test_what_was_never_put_is_missing(kept: Kept) -> None:
    kept.store.put(part(3))
    assert not kept.store.has("0" * 64)
    with pytest.raises(MissingArtefact, match="0" * 64):
        kept.store.get("0" * 64)


def test_a_deleted_part_is_gone_and_may_be_put_again(kept: Kept) -> None:
    name = kept.store.put(part(3))
    kept.store.delete(name)
    kept.store.delete(name)
    assert not kept.store.has(name)
    with pytest.raises(MissingArtefact):
        kept.store.get(name)
    kept.store.put(part(3))
    assert kept.store.get(name).equals(part(3))


def test_a_part_that_was_swapped_for_another_is_refused(kept: Kept) -> None:
    one, other = kept.store.put(part(9, 1)), kept.store.put(part(9, 2))
    kept.write(one, kept.read(other))
    with pytest.raises(CorruptArtefact, match=one):
        kept.store.get(one)
    assert kept.store.get(other).equals(part(9, 2))


def test_a_part_that_was_cut_short_is_refused(kept: Kept) -> None:
    name = kept.store.put(part(9))
    kept.write(name, kept.read(name)[:-20])
    with pytest.raises(CorruptArtefact, match=name):
        kept.store.get(name)
