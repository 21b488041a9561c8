"""The drawn negatives of a log of clicks: which item a user is taken not to have wanted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trainer.vocabulary import splitmix64

#: Times a popular item is drawn anew before a uniform draw takes its place.
ATTEMPTS = 32


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


def draw_popular_negatives(
    seed: int,
    period: int,
    rows: npt.NDArray[np.int64],
    excluded: npt.NDArray[np.int64],
    items: int,
    clicked: npt.NDArray[np.int64],
    draw: int = 0,
) -> npt.NDArray[np.int64]:
    """[m] as `draw_negatives`, but in proportion to how often each item was clicked in the period.

    A hash of (seed, period, row, draw, attempt) picks one of the clicks; where its item is excluded, that of
    the next attempt does. After `ATTEMPTS` of them the draw is uniform.

    clicked: [c] the item numbers of the period's positives, repeats and all; not empty where rows are not.
    """
    drawn = np.full(len(rows), -1, np.int64)
    left = np.arange(len(rows))
    for attempt in range(ATTEMPTS):
        if not len(left):
            break
        place = _hashes(seed, period, rows[left], draw, attempt) % np.uint64(len(clicked))
        item = clicked[place.astype(np.int64)]
        free = (excluded[left] != item[:, None]).all(axis=1)
        drawn[left[free]] = item[free]
        left = left[~free]
    drawn[left] = draw_negatives(seed, period, rows[left], excluded[left], items, draw)
    return drawn


def _hashes(seed: int, period: int, rows: npt.NDArray[np.int64], *counters: int) -> npt.NDArray[np.uint64]:
    mixed = np.zeros(1, np.uint64)
    for number in (seed, period, *counters):
        mixed = splitmix64(mixed ^ np.array([number], np.int64).astype(np.uint64))
    return splitmix64(splitmix64(rows.astype(np.uint64)) ^ mixed)
