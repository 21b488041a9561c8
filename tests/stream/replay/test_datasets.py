"""Which data set a folder holds, and what opening one says when it cannot be opened."""

from datetime import date
from pathlib import Path

import pytest

from stream.errors import ConfigurationError, DataError
from stream.replay import DATASETS, Choices, detect, open_source


@pytest.mark.parametrize(
    ("files", "dataset"),
    [
        (["ratings.csv", "movies.csv", "tags.csv"], "movielens"),
        (["user_log_format1.csv", "user_info_format1.csv"], "tmall"),
        (["Sobazaar-hashID.csv.gz"], "sobazaar"),
        (["clicks.csv", "other.csv"], "clicks"),
        (["clicks.csv.gz"], "clicks"),
        (["clicks.parquet"], "clicks"),
        (["my-shop.parquet", "README.md"], "clicks"),
    ],
)
def test_a_folder_is_known_by_the_files_in_it(tmp_path: Path, files: list[str], dataset: str) -> None:
    for file in files:
        (tmp_path / file).touch()
    assert detect(tmp_path) == dataset
    assert detect(tmp_path / files[0]) == dataset


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ([], "holds no .csv, .csv.gz or .parquet file"),
        (["a.csv", "b.csv"], "holds a.csv, b.csv; name the file, or call it clicks.csv"),
    ],
)
def test_a_folder_that_holds_no_log_or_several_is_an_error(
    tmp_path: Path, files: list[str], problem: str
) -> None:
    for file in files:
        (tmp_path / file).touch()
    with pytest.raises(DataError) as error:
        detect(tmp_path)
    assert str(error.value) == f"{tmp_path}: {problem}"


def test_a_path_where_nothing_is_is_an_error(tmp_path: Path) -> None:
    for attempt in (detect, lambda path: open_source("clicks", path)):
        with pytest.raises(DataError, match="there is no such file or folder"):
            attempt(tmp_path / "none")


def test_a_file_of_another_kind_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "log.json").touch()
    with pytest.raises(DataError, match=r"log\.json: is neither \.csv, \.csv\.gz nor \.parquet"):
        detect(tmp_path / "log.json")


def test_an_unknown_data_set_is_named_beside_those_there_are() -> None:
    with pytest.raises(
        ConfigurationError, match="there is no data set 'netflix'; there are movielens, tmall"
    ):
        open_source("netflix", None)


@pytest.mark.parametrize("dataset", [name for name in DATASETS if name != "synthetic"])
def test_a_data_set_without_a_path_is_an_error(dataset: str) -> None:
    with pytest.raises(ConfigurationError, match=f"the data set {dataset} needs the path"):
        open_source(dataset, None)


def test_days_can_be_chosen_of_any_data_set_and_change_its_name(tmp_path: Path) -> None:
    rows = "".join(f"u,i{day},2016-01-{day:02d}T00:00:00Z\n" for day in range(1, 10))
    (tmp_path / "clicks.csv").write_text("user_id,item_id,timestamp\n" + rows)
    some = open_source("clicks", tmp_path, Choices(since=date(2016, 1, 3), until=date(2016, 1, 5)))
    assert [row["item_id"] for row in some.events.to_pylist()] == ["i3", "i4"]
    assert some.name != open_source("clicks", tmp_path).name


def test_a_range_of_days_that_is_empty_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_text("user_id,item_id,timestamp\nu,i,1\n")
    with pytest.raises(ConfigurationError, match="is not after since"):
        open_source("clicks", tmp_path, Choices(since=date(2016, 1, 3), until=date(2016, 1, 3)))
    with pytest.raises(DataError, match="holds no event that was asked for"):
        open_source("clicks", tmp_path, Choices(since=date(2016, 1, 3)))


def test_the_name_follows_the_content_and_not_the_place(tmp_path: Path) -> None:
    names = []
    for folder, text in (("a", "u,i,1\n"), ("b", "u,i,1\n"), ("c", "u,i,2\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "clicks.csv").write_text("user_id,item_id,timestamp\n" + text)
        names.append(open_source("clicks", tmp_path / folder).name)
    assert names[0] == names[1] != names[2]
    assert names[0].startswith("clicks-")
