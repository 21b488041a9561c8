"""The paper's protocol: filters, periods and negatives chosen with knowledge of the whole data set. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import pyarrow as pa

from asmg.experiment.rows import Ints, Rows, Sampler, rows_of
from stream.errors import ConfigurationError
from stream.replay import Source
from stream.samples import Samples
from trainer.settings import NegativeDraw

#: Tmall: the users with the most interactions that are kept, and how many an item must have.
USERS, CLICKS = 50_000, 20

#: What of a data set the paper looks at where nothing else is said: from the first day, before the second.
SLICES = {
    "tmall": (date(2014, 10, 1), date(2014, 11, 1)),
    "movielens": (date(2014, 1, 1), date(2019, 1, 1)),
}

#: ms
_DAY = 24 * 60 * 60 * 1000

#: Times a negative is drawn anew before those that are left are counted out.
_DRAWS = 32


def periods(
    dataset: str, source: Source, count: int, seed: int, negative_draw: NegativeDraw = "uniform"
) -> list[Samples]:
    """D_1..D_count: of equal count, or a day each where the paper has days (Tmall, impressions of as many).

    Clicks without an impression get a negative each (`negatives`), and with it an impression id, so that
    none is drawn again. Raises: ConfigurationError: Tmall's days are not as many as the periods.
    """
    rows = rows_of(source)
    if dataset == "tmall":
        rows = filtered(rows, USERS, CLICKS)
    if len(rows) < count:
        raise ConfigurationError(
            f"{len(rows):,} samples are left by the paper's filters, too few for {count}"
        )
    cuts = _cuts(dataset, rows, count)
    if not rows.clicks_alone:
        sampler = Sampler(rows)
        return [sampler.part(start, stop).compact() for start, stop in pairwise(cuts)]
    drawn = negatives(rows, seed, negative_draw)
    named = replace(rows, impression_id=pa.array(np.arange(len(rows))).cast(pa.string()))
    sampler, bearer = Sampler(named), _latest(rows)
    return [
        _with_negatives(sampler, start, stop, drawn[start:stop], bearer) for start, stop in pairwise(cuts)
    ]


def filtered(rows: Rows, users: int, clicks: int) -> Rows:
    """The rows of the `users` users with most (ties: who came first), of items with `clicks` of those."""
    _, first, count = np.unique(rows.user, return_index=True, return_counts=True)
    best = np.lexsort((first, -count))[:users]
    kept = np.isin(rows.user, rows.user[first[best]])
    rows = rows.take(np.flatnonzero(kept))
    return rows.take(np.flatnonzero(np.bincount(rows.item, minlength=len(rows.items))[rows.item] >= clicks))


def negatives(rows: Rows, seed: int, draw: NegativeDraw = "uniform") -> Ints:
    """[n] for each row an item that its user has in no row up to it, out of all items of the rows.

    uniform: all alike; popular: in proportion to how many rows each has. -1 where the user has them all. A
    function of the arguments.
    """
    items, item = np.unique(rows.item, return_inverse=True)
    _, user = np.unique(rows.user, return_inverse=True)
    pair, first = np.unique(
        user * len(items) + item, return_index=True
    )  # user and item, and the row they met
    # What is drawn from: each item once, or as often as it has rows.
    drawable = item if draw == "popular" else np.arange(len(items))
    random = np.random.Generator(np.random.PCG64(seed))
    drawn = np.full(len(rows), -1, np.int64)
    left = np.arange(len(rows))
    for _ in range(_DRAWS):
        drawn[left] = drawable[random.integers(0, len(drawable), len(left))]
        wanted = user[left] * len(items) + drawn[left]
        place = np.minimum(np.searchsorted(pair, wanted), len(pair) - 1)
        left = left[(pair[place] == wanted) & (first[place] <= left)]
        if not len(left):
            break
    for row in left.tolist():
        mine = slice(*np.searchsorted(pair, [user[row] * len(items), (user[row] + 1) * len(items)]))
        had = pair[mine][first[mine] <= row] % len(items)
        free = drawable[~np.isin(drawable, had)]
        drawn[row] = free[random.integers(0, len(free))] if len(free) else -1
    found: Ints = np.where(drawn < 0, -1, items[drawn])
    return found


def _with_negatives(sampler: Sampler, start: int, stop: int, drawn: Ints, bearer: Ints) -> Samples:
    """The rows [start, stop) and the negative of each that has one: same user, time, history, impression.

    bearer: [items] a row that bears the item's categories.
    """
    samples, some = sampler.part(start, stop), np.flatnonzero(drawn >= 0)
    lists = sampler.rows.take(bearer[drawn[some]])
    negative = replace(
        samples.take(some),
        item=drawn[some].astype(np.int32),
        label=np.zeros(len(some), np.int8),
        category_offsets=lists.category_offsets,
        category=lists.category.astype(np.int32),
    )
    both = Samples.concat([samples, negative])
    both = both.take(both.in_order())
    return replace(both, number=np.arange(len(both))).compact()


def _latest(rows: Rows) -> Ints:
    """[items] the last row of each item, -1 where it has none."""
    last = np.full(len(rows.items), -1, np.int64)
    last[rows.item] = np.arange(len(rows))  # the last assignment stays
    return last


def _cuts(dataset: str, rows: Rows, count: int) -> Sequence[int]:
    """Where periods begin, and the end of the last."""
    days = np.unique(rows.ts // _DAY)
    if dataset == "tmall" and len(days) != count:
        raise ConfigurationError(
            f"the paper's periods of Tmall are days, and there are {len(days)}: "
            f"say --periods {len(days)}, or choose others with --since and --until"
        )
    if dataset in ("tmall", "impressions") and len(days) == count:
        return [*np.searchsorted(rows.ts, days * _DAY).tolist(), len(rows)]
    cuts: list[int] = (len(rows) * np.arange(count + 1) // count).tolist()
    return cuts
