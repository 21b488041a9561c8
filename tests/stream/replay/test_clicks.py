"""Click logs of any shop: what becomes of their rows, and what is said of a file that cannot be used."""

import gzip
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stream.errors import DataError
from stream.replay import Choices, clicks, open_source


def write(folder: Path, text: str, name: str = "clicks.csv") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def events(path: Path) -> list[dict[str, object]]:
    return open_source("clicks", path).events.to_pylist()


def problem(path: Path) -> str:
    with pytest.raises(DataError) as error:
        clicks.read(path, Choices())
    return str(error.value)


def test_a_row_without_a_label_is_a_click_without_an_impression(tmp_path: Path) -> None:
    path = write(tmp_path, "user_id,item_id,timestamp\nu1,i1,1451606400\n")
    assert events(path) == [
        {
            "kind": 1,
            "impression_id": None,
            "user_id": "u1",
            "item_id": "i1",
            "categories": [],
            "ts": 1451606400000,
        }
    ]


def test_a_row_with_a_label_is_an_impression_and_label_1_a_click_at_the_same_time_too(tmp_path: Path) -> None:
    path = write(tmp_path, "user_id,item_id,timestamp,label\nu1,i1,10,1\nu1,i2,20,0\n")
    assert [(row["kind"], row["impression_id"], row["item_id"], row["ts"]) for row in events(path)] == [
        (0, "0", "i1", 10_000),
        (1, "0", "i1", 10_000),
        (0, "1", "i2", 20_000),
    ]


def test_events_come_by_time_and_ties_as_in_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "user_id,item_id,timestamp\na,i,20\nb,i,10\nc,i,20\nd,i,10\n")
    assert [row["user_id"] for row in events(path)] == ["b", "d", "a", "c"]


def test_columns_are_found_by_name_in_any_order_and_others_are_ignored(tmp_path: Path) -> None:
    path = write(tmp_path, "price,timestamp,item_id,user_id\n9,10,i,u\n")
    assert (events(path)[0]["user_id"], events(path)[0]["item_id"]) == ("u", "i")


def test_categories_are_separated_by_a_bar_and_empty_ones_left_out(tmp_path: Path) -> None:
    path = write(
        tmp_path, "user_id,item_id,timestamp,categories\nu,i,1,a|b\nu,i,2,\nu,i,3,| c ||d|\nu,i,4,e\n"
    )
    assert [row["categories"] for row in events(path)] == [["a", "b"], [], ["c", "d"], ["e"]]


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        ("1451606400", 1451606400000),
        ("1451606400123", 1451606400123),
        ("1451606400.25", 1451606400250),
        ("2016-01-01T00:00:00Z", 1451606400000),
        ("2016-01-01T02:00:00+02:00", 1451606400000),
        ("2016-01-01T00:00:00.123", 1451606400123),
        ("2016-01-01 00:00:00", 1451606400000),
        ("2016-01-01", 1451606400000),
    ],
)
def test_times_are_seconds_or_milliseconds_or_iso_8601(tmp_path: Path, written: str, ms: int) -> None:
    assert events(write(tmp_path, f"user_id,item_id,timestamp\nu,i,{written}\n"))[0]["ts"] == ms


def test_times_with_and_without_an_offset_may_stand_in_one_column(tmp_path: Path) -> None:
    rows = "u,i,2016-01-01T00:00:00\nu,i,2016-01-01T01:00:00+01:00\nu,i,2016-01-01T00:00:00Z\n"
    path = write(tmp_path, "user_id,item_id,timestamp\n" + rows)
    assert [row["ts"] for row in events(path)] == [1451606400000] * 3


def test_ids_are_kept_as_they_are_written(tmp_path: Path) -> None:
    path = write(tmp_path, 'user_id,item_id,timestamp\n007,"a,""b""\\ü",1\nNA,null,2\n')
    assert [(row["user_id"], row["item_id"]) for row in events(path)] == [("007", 'a,"b"\\ü'), ("NA", "null")]


@pytest.mark.parametrize("name", ["clicks.csv", "clicks.csv.gz"])
def test_a_csv_may_be_gzipped(tmp_path: Path, name: str) -> None:
    assert len(events(write(tmp_path, "user_id,item_id,timestamp\nu,i,1\n", name))) == 1


def test_a_parquet_file_may_hold_numbers_timestamps_lists_and_booleans(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    table = pa.table(
        {
            "user_id": pa.array([7], pa.int64()),
            "item_id": pa.array(["i"]).dictionary_encode(),
            "timestamp": pa.array([datetime(2016, 1, 1)], pa.timestamp("us")),
            "categories": pa.array([["a", "b"]]),
            "label": pa.array([True]),
        }
    )
    pq.write_table(table, path)
    first, second = events(path)
    assert (first["user_id"], first["categories"], first["ts"]) == ("7", ["a", "b"], 1451606400000)
    assert (first["kind"], second["kind"]) == (0, 1)


def test_a_byte_order_mark_and_dos_line_ends_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv"
    path.write_bytes(b"\xef\xbb\xbfuser_id,item_id,timestamp\r\nu,i,1\r\n")
    assert events(path)[0]["user_id"] == "u"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("u,i,abc", "clicks.csv:3: timestamp 'abc' is not a number or an ISO-8601 time"),
        ("u,i,", "clicks.csv:3: timestamp '' is not a number or an ISO-8601 time"),
        ("u,i,nan", "clicks.csv:3: timestamp 'nan' is not a number or an ISO-8601 time"),
        (
            "u,i,1451606400000000",
            "clicks.csv:3: timestamp '1451606400000000' is in neither seconds nor ms since 1970",
        ),
        (",i,2", "clicks.csv:3: user_id is empty"),
        ("u,,2", "clicks.csv:3: item_id is empty"),
        ("u" * 257 + ",i,2", "clicks.csv:3: user_id is longer than 256 bytes"),
        ("u,i", "clicks.csv:3: has 2 fields where the header has 3"),
        ("u,i,2,3", "clicks.csv:3: has 4 fields where the header has 3"),
    ],
)
def test_a_bad_row_is_named_by_file_line_and_field(tmp_path: Path, row: str, expected: str) -> None:
    path = write(tmp_path, f"user_id,item_id,timestamp\nu,i,1\n{row}\nu,i,3\n")
    assert problem(path) == f"{expected}; mend the line or take it out"


def test_a_bad_iso_time_is_named_by_its_line(tmp_path: Path) -> None:
    rows = "u,i,2016-01-01\n" * 5 + "u,i,2016-13-01\n" + "u,i,2016-01-01\n" * 5
    path = write(tmp_path, "user_id,item_id,timestamp\n" + rows)
    assert problem(path).startswith(
        "clicks.csv:7: timestamp '2016-13-01' is not a number or an ISO-8601 time"
    )


def test_empty_lines_are_skipped_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path, "user_id,item_id,timestamp\n\nu,i,1\n\n\nu,i,abc\n")
    assert problem(path).startswith("clicks.csv:6: ")


def test_a_label_other_than_0_and_1_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, "user_id,item_id,timestamp,label\nu,i,1,0\nu,i,1,2\n")
    assert problem(path).startswith("clicks.csv:3: label '2' is neither 0 nor 1")


def test_a_missing_value_in_parquet_is_named_by_its_row(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pq.write_table(pa.table({"user_id": ["u", None], "item_id": ["i", "j"], "timestamp": [1, 2]}), path)
    assert problem(path) == "log.parquet, row 2: user_id is missing; mend the line or take it out"


def test_ids_that_are_neither_strings_nor_integers_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pq.write_table(pa.table({"user_id": [1.5], "item_id": ["i"], "timestamp": [1]}), path)
    assert problem(path) == "log.parquet: user_id is of type double; ids are strings or integers"


def test_a_missing_column_is_named_beside_those_there_are(tmp_path: Path) -> None:
    path = write(tmp_path, "user,item_id,timestamp\nu,i,1\n")
    assert problem(path) == "clicks.csv: has no column 'user_id'; it has user, item_id, timestamp"


def test_a_column_that_is_there_twice_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, "user_id,user_id,item_id,timestamp\nu,v,i,1\n")
    assert problem(path) == "clicks.csv: has 2 columns 'user_id'; rename all but one"


def test_a_missing_file_is_named_by_its_path(tmp_path: Path) -> None:
    assert problem(tmp_path / "none.csv") == f"{tmp_path}/none.csv: there is no such file"


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    assert problem(write(tmp_path, "")) == "clicks.csv: is empty; its first line should name the columns"


def test_a_truncated_gzip_file_is_an_error(tmp_path: Path) -> None:
    text = "user_id,item_id,timestamp\n" + "".join(
        f"u{row * 7919 % 1000},i{row},{row}\n" for row in range(20_000)
    )
    path = write(tmp_path, text, "clicks.csv.gz")
    path.write_bytes(path.read_bytes()[:40_000])
    assert problem(path) == "clicks.csv.gz: cannot be read: Truncated compressed stream; is it complete?"


def test_what_is_no_gzip_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv.gz"
    path.write_bytes(b"user_id,item_id,timestamp\n")
    assert problem(path).startswith("clicks.csv.gz: cannot be read: Not a gzipped file")


def test_what_is_no_parquet_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "clicks.parquet"
    path.write_bytes(b"user_id,item_id,timestamp\n")
    assert problem(path).startswith("clicks.parquet: cannot be read: ")
    assert "\n" not in problem(path)


def test_a_line_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv"
    path.write_bytes(b"user_id,item_id,timestamp\nu,i,1\nu,\xff,2\n")
    assert problem(path) == "clicks.csv:3: is not UTF-8; save the file as UTF-8"


def test_a_file_of_a_header_alone_holds_no_event(tmp_path: Path) -> None:
    path = write(tmp_path, "user_id,item_id,timestamp\n")
    with pytest.raises(DataError, match="holds no event"):
        open_source("clicks", path)
