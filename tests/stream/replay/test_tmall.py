"""Tmall: days without times, and actions other than clicks."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from stream.errors import DataError
from stream.replay import Choices, open_source

HEADER = "user_id,item_id,cat_id,seller_id,brand_id,time_stamp,action_type\n"
LOG = (
    HEADER
    + """1,10,7,1,1,1012,0
2,11,8,1,1,1011,0
3,12,7,1,,1012,2
4,13,7,1,1,1012,0
5,14,7,1,1,1012,0
"""
)


def written(tmp_path: Path, text: str = LOG) -> Path:
    (tmp_path / "user_log_format1.csv").write_text(text)
    return tmp_path


def ms(day: int, hour: int = 0) -> int:
    return int(datetime(2014, 10, day, hour, tzinfo=UTC).timestamp() * 1000)


def test_the_clicks_of_a_day_are_spread_evenly_over_it_in_the_order_of_the_file(tmp_path: Path) -> None:
    events = open_source("tmall", written(tmp_path)).events.to_pylist()
    assert [(row["user_id"], row["ts"]) for row in events] == [
        ("2", ms(11)),
        ("1", ms(12)),
        ("4", ms(12, 8)),
        ("5", ms(12, 16)),
    ]


def test_each_row_is_a_click_without_an_impression_and_cat_id_its_category(tmp_path: Path) -> None:
    first = open_source("tmall", written(tmp_path)).events.to_pylist()[0]
    assert (first["kind"], first["impression_id"], first["categories"]) == (1, None, ["8"])


def test_other_actions_are_replayed_when_asked_for_and_change_the_name(tmp_path: Path) -> None:
    clicks = open_source("tmall", written(tmp_path))
    bought = open_source("tmall", written(tmp_path), Choices(actions=("0", "2")))
    assert [row["user_id"] for row in bought.events.to_pylist()] == ["2", "1", "3", "4", "5"]
    assert clicks.name != bought.name


def test_a_range_of_days_can_be_chosen(tmp_path: Path) -> None:
    since = open_source("tmall", written(tmp_path), Choices(since=datetime(2014, 10, 12, tzinfo=UTC).date()))
    assert [row["user_id"] for row in since.events.to_pylist()] == ["1", "4", "5"]


@pytest.mark.parametrize("day", ["1332", "0", "229", "-511"])
def test_a_day_that_is_not_in_the_calendar_is_named_by_its_line(tmp_path: Path, day: str) -> None:
    text = LOG + f"5,14,7,1,1,{day},0\n"
    expected = rf"^user_log_format1\.csv:7: time_stamp '{day}' is not a day of 2014 written mmdd; mend"
    with pytest.raises(DataError, match=expected):
        open_source("tmall", written(tmp_path, text))


def test_a_day_that_is_no_number_is_named_by_its_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^user_log_format1\.csv:4: time_stamp 'x' is not a whole number"):
        open_source("tmall", written(tmp_path, LOG.replace("3,12,7,1,,1012", "3,12,7,1,,x")))


def test_a_log_without_the_action_chosen_holds_no_event(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no event"):
        open_source("tmall", written(tmp_path), Choices(actions=("3",)))
