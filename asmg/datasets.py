"""The data sets that `asmg data get` fetches: where each lies, and how its archive is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stream.errors import ConfigurationError


@dataclass(frozen=True)
class Archive:
    """A zip on a server; it is the one meant if its size and its sha256 are these."""

    name: str  # of the one folder it holds
    address: str
    size: int  # bytes
    sha256: str
    files: tuple[str, ...]  # what is unpacked of it
    unpacked: int  # bytes that these files may have together


#: Sizes and sha256 are those that TensorFlow Datasets publishes (url_checksums/movielens.txt). GroupLens
#: never changes ml-25m; ml-latest-small is of 2018-09 and may be replaced by a newer one.
ARCHIVES: Mapping[str, Archive] = {
    "movielens-small": Archive(
        name="ml-latest-small",
        address="https://files.grouplens.org/datasets/movielens/ml-latest-small.zip",
        size=978_202,
        sha256="696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
        files=("README.txt", "links.csv", "movies.csv", "ratings.csv", "tags.csv"),
        unpacked=4_000_000,
    ),
    "movielens-25m": Archive(
        name="ml-25m",
        address="https://files.grouplens.org/datasets/movielens/ml-25m.zip",
        size=261_978_986,
        sha256="8b21cfb7eb1706b4ec0aac894368d90acf26ebdfb6aced3ebd4ad5bd1eb9c6aa",
        files=(
            "README.txt",
            "genome-scores.csv",
            "genome-tags.csv",
            "links.csv",
            "movies.csv",
            "ratings.csv",
            "tags.csv",
        ),
        unpacked=1_200_000_000,
    ),
}


def archive_of(dataset: str) -> Archive:
    """The archive of a data set. Raises: ConfigurationError: there is none of that name."""
    if dataset not in ARCHIVES:
        raise ConfigurationError(
            f"there is no data set '{dataset}' to get; there are {' and '.join(ARCHIVES)}"
        )
    return ARCHIVES[dataset]
