"""The built-in shop: users whose tastes drift, items that come and go out of fashion, slates and clicks.

The shop runs for 31 days from 2024-01-01 (UTC), in steps of six hours. A user has a taste, a vector on
which a slow random walk acts: half of it is forgotten in about a week. An item belongs to one category
or two, and its vector lies near theirs; it arrives at some time (a third are there from the start),
is new and popular then, and its popularity halves every four days, down to a floor. Categories have
fashions of their own, a random walk too. A visit is a slate of eight impressions, a few seconds apart,
of items drawn by popularity among those that have arrived; an impression is clicked with probability
σ(taste · item + fashion + quality + bias), the bias being such that 15 % are, and the click follows
after seconds, exponentially distributed. So there is something to learn about users, items and
categories, and what was learned a week ago is worth less than what was learned yesterday.

Everything follows from the seed and the number of events.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stream.replay.source import CLICK, EVENTS, IMPRESSION, Choices, Source, named

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Part of the name: raise it when the same seed makes another shop.
_VERSION = 1

_START = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000)  # ms
_DAYS = 31
_STEPS_A_DAY = 4
_STEPS = _DAYS * _STEPS_A_DAY
_STEP = 24 * 60 * 60 * 1000 // _STEPS_A_DAY  # ms

#: How much of a day's visits each of its steps has: night, morning, afternoon, evening.
_BY_HOUR = np.array([0.10, 0.25, 0.30, 0.35])

_CATEGORIES = 24
_TASTES = 6  # dimensions of tastes and items
_SLATE = 8  # impressions a visit

#: How many impressions there are of a user, and of an item, on average over the month.
_PER_USER, _PER_ITEM = 330, 260

#: Logits: how far tastes, fashions and item quality move them (standard deviations).
_TASTE, _FASHION, _QUALITY = 1.6, 0.7, 0.5
_CLICK_RATE = 0.15

#: A step of a random walk keeps this much of the walker: half is left after 28 steps, a week.
_KEEP = 0.5 ** (1 / 28)

#: An item's popularity halves in this many steps, and never falls below the floor.
_FADING, _FLOOR = 16.0, 0.05

#: Mean of the time from an impression to its click, and the longest there is, in ms.
_DELAY, _LONGEST_DELAY = 9_000, 240_000


@dataclass(frozen=True)
class _Shop:
    """Who and what there is."""

    taste: Floats  # [steps, users, tastes]
    vector: Floats  # [items, tastes]
    quality: Floats  # [items]
    category: Ints  # [items, 2] the second equal to the first where an item has one only
    fashion: Floats  # [steps, categories]
    arrival: Ints  # [items] step
    charm: Floats  # [items] popularity when new
    activity: Floats  # [users] shares of the visits, sum 1


def generate(choices: Choices) -> Source:
    """About `choices.events` impressions and clicks that follow from `choices.seed`."""
    random = np.random.Generator(np.random.PCG64(choices.seed))
    impressions = max(_SLATE, round(choices.events / (1 + _CLICK_RATE)))
    shop = _open_shop(random, users=max(1, impressions // _PER_USER), items=max(60, impressions // _PER_ITEM))
    step, at, user, item = _impressions(random, shop, impressions // _SLATE)
    clicked = random.random(len(at)) < _sigmoid(_balanced(_appeal(shop, step, user, item)))
    delay = np.minimum(random.exponential(_DELAY, len(at)) + 1, _LONGEST_DELAY).astype(np.int64)
    name = named("synthetic", [], [_VERSION, choices.seed, choices.events])
    return Source(name, _as_events(shop, at, user, item, clicked, delay))


def _open_shop(random: np.random.Generator, users: int, items: int) -> _Shop:
    centre = random.normal(size=(_CATEGORIES, _TASTES))
    first = random.integers(_CATEGORIES, size=items)
    second = np.where(random.random(items) < 0.3, random.integers(_CATEGORIES, size=items), first)
    vector = (centre[first] + centre[second]) / 2 + 0.5 * random.normal(size=(items, _TASTES))
    there_from_the_start = random.random(items) < 1 / 3
    arrival = np.where(
        there_from_the_start, -random.integers(40, size=items), random.integers(_STEPS, size=items)
    )
    arrival[0] = 0  # there is always something to show
    activity = random.gamma(1.0, size=users) + 0.1
    return _Shop(
        taste=_walk(random, users, _TASTES),
        vector=vector,
        quality=_QUALITY * random.normal(size=items),
        category=np.stack([first, second], axis=1),
        fashion=_FASHION * _walk(random, _CATEGORIES, 1)[:, :, 0],
        arrival=arrival,
        charm=random.lognormal(sigma=1.0, size=items),
        activity=activity / activity.sum(),
    )


def _walk(random: np.random.Generator, walkers: int, dimensions: int) -> Floats:
    """[steps, walkers, dimensions]: a stationary random walk with standard deviation 1 throughout."""
    path = random.normal(size=(_STEPS, walkers, dimensions))
    path[1:] *= np.sqrt(1 - _KEEP**2)
    for step in range(1, _STEPS):
        path[step] += _KEEP * path[step - 1]
    return np.asarray(path, np.float64)


def _impressions(random: np.random.Generator, shop: _Shop, visits: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Step, time in ms, user and item of visits * slate impressions, sorted by step."""
    share = np.tile(_BY_HOUR, _DAYS) / _DAYS
    step = np.sort(random.choice(_STEPS, size=visits, p=share))
    start = _START + step * _STEP + random.integers(_STEP - _SLATE * 20_000, size=visits)
    user = random.choice(len(shop.activity), size=visits, p=shop.activity)
    pause = random.integers(2_000, 15_000, size=(visits, _SLATE))
    pause[:, 0] = 0
    at = start[:, None] + np.cumsum(pause, axis=1)
    item = np.empty((visits, _SLATE), np.int64)
    ends = np.searchsorted(step, np.arange(_STEPS), side="right")
    for now in range(_STEPS):
        slates = slice(ends[now - 1] if now else 0, ends[now])
        age = now - shop.arrival
        popularity = np.where(age < 0, 0.0, shop.charm * (_FLOOR + 0.5 ** (np.maximum(age, 0) / _FADING)))
        shape = item[slates].shape
        item[slates] = random.choice(len(popularity), size=shape, p=popularity / popularity.sum())
    return np.repeat(step, _SLATE), at.ravel(), np.repeat(user, _SLATE), item.ravel()


def _appeal(shop: _Shop, step: Ints, user: Ints, item: Ints) -> Floats:
    """[n] logits, up to a constant, that the user clicks the item at that step."""
    taste = np.einsum("nd,nd->n", shop.taste[step, user], shop.vector[item])
    fashion = shop.fashion[step[:, None], shop.category[item]].mean(axis=1)
    return np.asarray(_TASTE * taste / np.sqrt(_TASTES) + fashion + shop.quality[item], np.float64)


def _balanced(appeal: Floats) -> Floats:
    """The logits shifted such that the mean probability is the rate of clicks."""
    low, high = -20.0, 20.0
    for _ in range(40):
        bias = (low + high) / 2
        low, high = (bias, high) if _sigmoid(appeal + bias).mean() < _CLICK_RATE else (low, bias)
    return appeal + high


def _sigmoid(logits: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-logits)), np.float64)


def _as_events(
    shop: _Shop, at: Ints, user: Ints, item: Ints, clicked: npt.NDArray[np.bool_], delay: Ints
) -> pa.Table:
    """Impressions and, behind them, clicks, sorted by time; the ids of impressions are in that order too."""
    order = np.argsort(at, kind="stable")
    at, user, item, clicked, delay = at[order], user[order], item[order], clicked[order], delay[order]
    number = np.concatenate([np.arange(len(at)), np.flatnonzero(clicked)])
    kind = np.repeat(np.array([IMPRESSION, CLICK], np.int8), [len(at), len(number) - len(at)])
    ts = at[number] + np.where(kind == CLICK, delay[number], 0)
    order = np.argsort(ts, kind="stable")
    number, kind, ts = number[order], kind[order], ts[order]
    return pa.table(
        [
            pa.array(kind),
            _labels("i", len(at)).take(pa.array(number)),
            pa.DictionaryArray.from_arrays(
                pa.array(user[number].astype(np.int32)), _labels("user-", len(shop.activity))
            ),
            pa.DictionaryArray.from_arrays(
                pa.array(item[number].astype(np.int32)), _labels("item-", len(shop.vector))
            ),
            _categories(shop).take(pa.array(item[number])),
            pa.array(ts),
        ],
        schema=EVENTS,
    )


def _categories(shop: _Shop) -> pa.ListArray:
    """[items] one category or two."""
    first, second = shop.category.T
    two = np.stack([np.ones(len(first), np.bool_), first != second], axis=1)
    offsets = np.concatenate([[0], np.cumsum(two.sum(axis=1))]).astype(np.int32)
    codes = pa.array(shop.category[two].astype(np.int32))
    return pa.ListArray.from_arrays(
        pa.array(offsets), pa.DictionaryArray.from_arrays(codes, _labels("category-", _CATEGORIES))
    )


def _labels(prefix: str, count: int) -> pa.StringArray:
    return pa.array([f"{prefix}{number}" for number in range(count)], pa.string())
