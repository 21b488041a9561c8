"""Sobazaar: columns found by name whatever their case, and times in ISO 8601."""

import gzip
from pathlib import Path

import pytest

from stream.errors import DataError
from stream.replay import Choices, open_source

LOG = """Action,Timestamp,ItemID,UserID
content:interact:product_clicked,2014-09-01T08:30:01Z,p1,u1
purchase:buy_clicked,2014-09-01T08:30:00Z,p2,u2
"""


def written(tmp_path: Path, text: str = LOG) -> Path:
    (tmp_path / "Sobazaar-hashID.csv.gz").write_bytes(gzip.compress(text.encode()))
    return tmp_path


def test_every_action_is_a_click_without_an_impression(tmp_path: Path) -> None:
    events = open_source("sobazaar", written(tmp_path)).events.to_pylist()
    assert [(row["kind"], row["user_id"], row["item_id"], row["ts"]) for row in events] == [
        (1, "u2", "p2", 1409560200000),
        (1, "u1", "p1", 1409560201000),
    ]
    assert [row["impression_id"] for row in events] == [None, None]


@pytest.mark.parametrize(
    "header",
    [
        "action,timestamp,item_id,user_id",
        "ACTION,Time Stamp,Item Id,USER",
        "event,datetime,product_id,userId",
    ],
)
def test_columns_are_matched_by_name_ignoring_case(tmp_path: Path, header: str) -> None:
    text = LOG.replace("Action,Timestamp,ItemID,UserID", header)
    assert len(open_source("sobazaar", written(tmp_path, text))) == 2


def test_some_actions_alone_are_replayed_when_asked_for(tmp_path: Path) -> None:
    source = open_source("sobazaar", written(tmp_path), Choices(actions=("purchase:buy_clicked",)))
    assert [row["user_id"] for row in source.events.to_pylist()] == ["u2"]


def test_an_action_that_is_not_there_is_named_beside_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no action bought; it has content:.*, purchase:buy_clicked"):
        open_source("sobazaar", written(tmp_path), Choices(actions=("bought",)))


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"has no column for the user id .*; it has Action, Timestamp, ItemID, Who"
    ):
        open_source("sobazaar", written(tmp_path, LOG.replace("UserID", "Who")))


def test_a_bad_time_is_named_by_its_line(tmp_path: Path) -> None:
    text = LOG.replace("2014-09-01T08:30:00Z", "2014-09-01T28:30:00Z")
    with pytest.raises(
        DataError, match=r"^Sobazaar-hashID\.csv\.gz:3: Timestamp '2014-09-01T28:30:00Z' is not a"
    ):
        open_source("sobazaar", written(tmp_path, text))
