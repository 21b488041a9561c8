"""Rows of a file as events in order: what holds whatever the rows are."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from stream.replay.source import EVENTS, Rows, in_order, list_of_none, split_categories

ROWS = st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=40)


def rows_of(found: list[tuple[int, bool]], *, labelled: bool) -> Rows:
    numbers = pa.array([str(row) for row in range(len(found))], pa.string())
    return Rows(
        user=numbers.dictionary_encode(),
        item=numbers.dictionary_encode(),
        categories=list_of_none(len(found)),
        ts=np.array([ts for ts, _ in found], np.int64),
        clicked=np.array([clicked for _, clicked in found], np.bool_) if labelled else None,
        impression_id=numbers if labelled else None,
    )


@given(ROWS)
def test_labelled_rows_are_sorted_stably_and_an_impression_stands_right_before_its_click(
    found: list[tuple[int, bool]],
) -> None:
    events = in_order(rows_of(found, labelled=True)).to_pylist()
    order = sorted(range(len(found)), key=lambda row: found[row][0])
    expected = [(kind, str(row), found[row][0]) for row in order for kind in range(1 + found[row][1])]
    assert [(event["kind"], event["impression_id"], event["ts"]) for event in events] == expected
    assert all(event["impression_id"] == event["user_id"] == event["item_id"] for event in events)


@given(ROWS)
def test_unlabelled_rows_are_clicks_sorted_stably(found: list[tuple[int, bool]]) -> None:
    events = in_order(rows_of(found, labelled=False))
    order = sorted(range(len(found)), key=lambda row: found[row][0])
    assert events["user_id"].to_pylist() == [str(row) for row in order]
    assert set(events["kind"].to_pylist()) <= {1}
    assert events["impression_id"].null_count == len(found)


def test_events_have_the_schema_and_one_chunk() -> None:
    events = in_order(rows_of([(2, True), (1, False)], labelled=True))
    assert events.schema == EVENTS
    assert {column.num_chunks for column in events.columns} == {1}


@given(
    st.lists(
        st.lists(st.text("ab -", min_size=1, max_size=4).map(str.strip).filter(bool), max_size=4), max_size=9
    )
)
def test_categories_joined_by_bars_come_back(lists: list[list[str]]) -> None:
    assert split_categories(pa.array(["|".join(names) for names in lists], pa.string())).to_pylist() == lists
