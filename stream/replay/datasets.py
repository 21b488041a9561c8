"""The data sets that can be replayed: which there are, which one a folder holds, and opening it."""

from __future__ import annotations

from pathlib import Path

from stream.errors import ConfigurationError, DataError
from stream.replay import clicks, movielens, sobazaar, synthetic, tmall
from stream.replay.source import Choices, Source, between, named

#: Their names, as a configuration writes them.
DATASETS = ("movielens", "tmall", "sobazaar", "clicks", "synthetic")


def detect(path: Path) -> str:
    """The data set that a folder or file holds.

    Raises: DataError: there is nothing at the path, or nothing that is known.
    """
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder")
    if path.is_file():
        if path.name == tmall.FILE:
            return "tmall"
        if path.name == sobazaar.FILE:
            return "sobazaar"
        if path.name in movielens.FILES and detect(path.parent) == "movielens":
            return "movielens"
        if path.name.endswith(clicks.SUFFIXES):
            return "clicks"
        raise DataError(f"{path}: is neither .csv, .csv.gz nor .parquet")
    inside = {child.name for child in path.iterdir()}
    if inside.issuperset(movielens.FILES):
        return "movielens"
    if tmall.FILE in inside:
        return "tmall"
    if sobazaar.FILE in inside:
        return "sobazaar"
    _only_log(path)
    return "clicks"


def open_source(dataset: str, path: Path | None, choices: Choices | None = None) -> Source:
    """The events of a data set in the order they are replayed in.

    `path` is its folder or file; the synthetic shop has none. Raises: DataError: the input cannot be
    used, or holds no event; ConfigurationError: no such data set, or choices that contradict each other.
    """
    choices = choices or Choices()
    if dataset not in DATASETS:
        raise ConfigurationError(f"there is no data set '{dataset}'; there are {', '.join(DATASETS)}")
    if dataset == "synthetic":
        source = synthetic.generate(choices)
    elif path is None:
        raise ConfigurationError(f"the data set {dataset} needs the path of its folder or file")
    elif not path.exists():
        raise DataError(f"{path}: there is no such file or folder")
    else:
        source = _read(dataset, path, choices)
    if choices.since is not None or choices.until is not None:
        name = named(dataset, [], [source.name, choices.since, choices.until])
        source = Source(name, between(source.events, choices.since, choices.until))
    if not len(source):
        raise DataError(f"{path or dataset}: holds no event that was asked for")
    return source


def _read(dataset: str, path: Path, choices: Choices) -> Source:
    if dataset == "movielens":
        return movielens.read(path if path.is_dir() else path.parent, choices)
    if dataset == "tmall":
        return tmall.read(path / tmall.FILE if path.is_dir() else path, choices)
    if dataset == "sobazaar":
        return sobazaar.read(path / sobazaar.FILE if path.is_dir() else path, choices)
    return clicks.read(_only_log(path) if path.is_dir() else path, choices)


def _only_log(folder: Path) -> Path:
    """The click log of a folder: `clicks.csv`, `.csv.gz` or `.parquet`, or else the only such file."""
    logs = sorted(child for child in folder.iterdir() if child.name.endswith(clicks.SUFFIXES))
    for suffix in clicks.SUFFIXES:
        if (chosen := folder / f"clicks{suffix}") in logs:
            return chosen
    if len(logs) == 1:
        return logs[0]
    if not logs:
        raise DataError(f"{folder}: holds no .csv, .csv.gz or .parquet file")
    raise DataError(
        f"{folder}: holds {', '.join(log.name for log in logs)}; name the file, or call it clicks.csv"
    )
