"""What is archived comes back as it was, by whatever dictionaries it came."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.archive.index import Index
from stream.archive.rows import samples_of, table_of
from stream.errors import CorruptArtefact
from stream.records import Archived, encode
from stream.samples import Samples
from stream.store import ParquetStore, name_of

TEXTS = st.text(max_size=3)
ROWS = st.lists(
    st.tuples(TEXTS, TEXTS, TEXTS, st.lists(TEXTS, max_size=3), st.lists(TEXTS, max_size=3)), max_size=8
)


def told(samples: Samples) -> list[tuple]:
    """Every row with its texts."""

    def lists(offsets, codes, names):
        return [names.take(pa.array(codes[a:b])).to_pylist() for a, b in pairwise(offsets)]

    return list(
        zip(
            samples.number.tolist(),
            samples.decided_at.tolist(),
            samples.users.take(pa.array(samples.user)).to_pylist(),
            samples.items.take(pa.array(samples.item)).to_pylist(),
            samples.impression_id.to_pylist(),
            lists(samples.category_offsets, samples.category, samples.categories),
            lists(samples.history_offsets, samples.history, samples.items),
            samples.label.tolist(),
            samples.row_hash.tolist(),
            strict=True,
        )
    )


@settings(max_examples=25, deadline=None)
@given(ROWS)
def test_rows_come_back_and_equal_rows_make_one_part(samples_of_rows, rows):
    samples = samples_of_rows(
        [(u, i, {"impression": p, "categories": c, "history": h}) for u, i, p, c, h in rows]
    )
    table = table_of(samples)
    assert told(samples_of(table)) == told(samples)
    back = np.arange(len(samples))[::-1]
    otherwise = Samples.concat([samples.take(back[:2]), samples.take(back[2:])]).take(back)
    assert name_of(table_of(otherwise)) == name_of(table)


@pytest.fixture(scope="module")
def samples_of_rows(samples_of):
    """The fixture of that name, for a test that hypothesis runs many times."""
    return samples_of


def test_a_period_survives_the_store(random_period, tmp_path):
    store, samples = ParquetStore(tmp_path), random_period(1, rows=300, categories=4, impressions=True)
    part = store.put(table_of(samples))
    assert told(samples_of(store.get(part))) == told(samples)
    store.put(table_of(Samples.empty()))


def test_a_part_of_another_kind_is_refused():
    with pytest.raises(CorruptArtefact, match="an archived period has the wrong columns"):
        samples_of(pa.table({"value": [1]}))


def test_the_first_record_of_a_period_counts_and_what_is_none_is_counted():
    index = Index()
    for one in (Archived(period=1, part="a", rows=2), Archived(period=1, part="b", rows=2)):
        index.take(encode(one))
    index.take(b"{}")
    index.take(None)
    assert {period: one.part for period, one in index.items()} == {1: "a"}
    assert index.unreadable == 2


def test_the_archiver_is_behind_by_what_closed_after_its_last_period():
    index = Index()
    assert index.behind([1, 2, 3]) == 0, "nobody archives"
    index.take(encode(Archived(period=1, part="a", rows=2)))
    index.take(encode(Archived(period=3, part="b", rows=2)))
    assert index.behind([1, 2, 3]) == 0, "2 was gone before it was archived"
    assert index.behind([1, 2, 3, 4, 5]) == 2
