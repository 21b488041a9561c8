"""MovieLens (the format of ml-25m): each rating an impression, and a click where the rating is high."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stream.replay import columns
from stream.replay.source import Choices, Rows, Source, in_order, named, split_categories

FILES = ("ratings.csv", "movies.csv")

#: What movies.csv says of a movie whose genres are unknown.
_NO_GENRES = "(no genres listed)"


def read(folder: Path, choices: Choices) -> Source:
    """`ratings.csv` and `movies.csv` of a folder; looks at `threshold`.

    A rating's impression and its click bear the rating's time. A movie missing from movies.csv has no
    categories. Raises: DataError.
    """
    ratings = columns.read(folder / "ratings.csv", ["userId", "movieId", "rating", "timestamp"])
    movies = columns.read(folder / "movies.csv", ["movieId", "genres"])
    user, item = ratings.ids("userId"), ratings.ids("movieId")
    rows = Rows(
        user=user,
        item=item,
        categories=_genres(movies, item.dictionary).take(item.indices),
        ts=ratings.times("timestamp"),
        clicked=_liked(ratings, choices.threshold),
        impression_id=pc.binary_join_element_wise(
            user.cast(pa.string()),
            item.cast(pa.string()),
            pa.array(np.arange(len(user))).cast(pa.string()),
            "-",
        ),
    )
    name = named("movielens", [folder / file for file in FILES], [choices.threshold])
    return Source(name, in_order(rows))


def _liked(ratings: columns.Columns, threshold: float) -> npt.NDArray[np.bool_]:
    return ratings.decimals("rating") >= threshold


def _genres(movies: columns.Columns, ids: pa.StringArray) -> pa.ListArray:
    """The genres of each of these movies; null where movies.csv does not list the movie."""
    known = movies.ids("movieId")
    joined = pc.replace_substring(movies.categories("genres"), _NO_GENRES, "")
    places = pc.index_in(ids, known.cast(pa.string()))
    return split_categories(pc.fill_null(joined.take(places), ""))
