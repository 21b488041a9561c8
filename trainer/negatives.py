"""The drawn negatives of a log of clicks: which item a user is taken not to have wanted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trainer.vocabulary import splitmix64


def draw_negatives(
    seed: int,
    period: int,
    rows: npt.NDArray[np.int64],
    excluded: npt.NDArray[np.int64],
    items: int,
    draw: int = 0,
) -> npt.NDArray[np.int64]:
    """[m] for each of m rows the catalogue number of one drawn item, -1 where nothing is left to draw.

    Uniform over [0, items) less the row's `excluded`: a hash of (seed, period, row, draw) picks one of the
    items that remain by its place among them, and the excluded ones up to it are stepped over.

    rows: [m] places in D_t (Order); excluded: [m, w] catalogue numbers, padded with -1, repeats allowed.
    """
    beyond = np.int64(np.iinfo(np.int64).max)
    barred = np.sort(np.where(excluded < 0, beyond, excluded), axis=1)
    repeated = np.zeros(barred.shape, np.bool_)
    repeated[:, 1:] = barred[:, 1:] == barred[:, :-1]
    barred = np.sort(np.where(repeated | (barred >= items), beyond, barred), axis=1)
    left = items - (barred < beyond).sum(axis=1)

    picked = (_hashes(seed, period, rows, draw) % np.maximum(left, 1).astype(np.uint64)).astype(np.int64)
    for column in barred.T:  # ascending: each excluded item at or below the pick moves it up by one
        picked += column <= picked
    return np.where(left > 0, picked, -1)


def _hashes(seed: int, period: int, rows: npt.NDArray[np.int64], draw: int) -> npt.NDArray[np.uint64]:
    mixed = np.zeros(1, np.uint64)
    for number in (seed, period, draw):
        mixed = splitmix64(mixed ^ np.array([number], np.int64).astype(np.uint64))
    return splitmix64(splitmix64(rows.astype(np.uint64)) ^ mixed)
