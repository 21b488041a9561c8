"""Impressions and clicks at an even rate, of users and items that are all there from the start."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa

from stream.replay import CLICK, EVENTS, Source
from stream.replay.source import IMPRESSION

#: Part of the impressions that are clicked, and how long that takes, in ms, on average.
CLICKED, DELAY = 0.15, 9_000

#: Categories, one an item; the exponent of the items' popularity.
CATEGORIES, SKEW = 24, 0.8

#: Where the events begin: 2024-01-01 (UTC), in ms.
START = 1_704_067_200_000


def shop(events: int, users: int, items: int, rate: float, seed: int) -> Source:
    """That many events, `rate` of them in a second of event time.

    Users are alike, items popular by a power law; what is clicked is drawn, not learnt from anything.
    """
    random = np.random.default_rng([seed, events, users, items])
    shown = round(events / (1 + CLICKED))
    clicks = np.sort(random.choice(shown, events - shown, replace=False))
    number = np.concatenate([np.arange(shown), clicks])
    kind = np.repeat(np.array([IMPRESSION, CLICK], np.int8), [shown, len(clicks)])
    between = events / shown / rate * 1000  # ms from one impression to the next
    at = number * between + np.where(kind == CLICK, random.exponential(DELAY, events), 0)
    order = np.lexsort((kind, at))
    number, kind = number[order], kind[order]
    weight = np.arange(1, items + 1, dtype=np.float64) ** -SKEW
    user = random.integers(0, users, shown).astype(np.int32)[number]
    item = random.choice(items, shown, p=weight / weight.sum()).astype(np.int32)[number]
    category = pa.DictionaryArray.from_arrays(pa.array(item % CATEGORIES), _labels("category-", CATEGORIES))
    columns = [
        pa.array(kind),
        _labels("i", shown).take(pa.array(number)),
        pa.DictionaryArray.from_arrays(pa.array(user), _labels("user-", users)),
        pa.DictionaryArray.from_arrays(pa.array(item), _labels("item-", items)),
        pa.ListArray.from_arrays(pa.array(np.arange(events + 1, dtype=np.int32)), category),
        pa.array(START + (np.arange(events) * 1000 / rate).astype(np.int64)),
    ]
    name = hashlib.sha256(repr((events, users, items, rate, seed)).encode()).hexdigest()[:16]
    return Source(f"shop-{name}", pa.table(columns, schema=EVENTS))


def _labels(prefix: str, count: int) -> pa.StringArray:
    return pa.array([f"{prefix}{number}" for number in range(count)], pa.string())
