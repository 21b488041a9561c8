"""MovieLens: ratings as impressions and clicks, genres as categories."""

from pathlib import Path

import pytest

from stream.errors import DataError
from stream.replay import Choices, open_source

MOVIES = """movieId,title,genres
1,Toy Story (1995),Adventure|Animation
2,"American President, The (1995)",(no genres listed)
"""
RATINGS = """userId,movieId,rating,timestamp
5,1,3.5,1000
5,2,4.0,900
6,3,5.0,950
"""


def folder(tmp_path: Path, ratings: str = RATINGS, movies: str = MOVIES) -> Path:
    (tmp_path / "ratings.csv").write_text(ratings)
    (tmp_path / "movies.csv").write_text(movies)
    return tmp_path


def test_a_rating_is_an_impression_and_from_4_on_a_click_at_the_same_time(tmp_path: Path) -> None:
    events = open_source("movielens", folder(tmp_path)).events.to_pylist()
    assert [(row["kind"], row["user_id"], row["item_id"], row["ts"]) for row in events] == [
        (0, "5", "2", 900_000),
        (1, "5", "2", 900_000),
        (0, "6", "3", 950_000),
        (1, "6", "3", 950_000),
        (0, "5", "1", 1_000_000),
    ]


def test_an_impression_is_named_by_user_movie_and_row_and_its_click_bears_that_name(tmp_path: Path) -> None:
    events = open_source("movielens", folder(tmp_path)).events.to_pylist()
    assert [row["impression_id"] for row in events] == ["5-2-1", "5-2-1", "6-3-2", "6-3-2", "5-1-0"]


def test_genres_are_categories_and_no_genres_listed_is_none_at_all(tmp_path: Path) -> None:
    events = open_source("movielens", folder(tmp_path)).events.to_pylist()
    assert {row["item_id"]: row["categories"] for row in events} == {
        "1": ["Adventure", "Animation"],
        "2": [],
        "3": [],  # movies.csv does not list it
    }


def test_the_threshold_decides_what_a_click_is_and_is_part_of_the_name(tmp_path: Path) -> None:
    default = open_source("movielens", folder(tmp_path))
    lower = open_source("movielens", folder(tmp_path), Choices(threshold=3.5))
    assert (len(default), len(lower)) == (5, 6)
    assert default.name != lower.name


def test_each_rating_makes_one_sample(tmp_path: Path) -> None:
    assert open_source("movielens", folder(tmp_path)).samples == 3


def test_the_path_of_one_of_its_files_does_as_well(tmp_path: Path) -> None:
    name = open_source("movielens", folder(tmp_path)).name
    assert open_source("movielens", tmp_path / "ratings.csv").name == name


def test_a_bad_rating_is_named_by_its_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^ratings\.csv:3: rating 'good' is not a number; mend the line"):
        open_source("movielens", folder(tmp_path, RATINGS.replace("4.0", "good")))


def test_a_missing_movies_file_is_an_error(tmp_path: Path) -> None:
    (folder(tmp_path) / "movies.csv").unlink()
    with pytest.raises(DataError, match=r"movies\.csv: there is no such file"):
        open_source("movielens", tmp_path)
