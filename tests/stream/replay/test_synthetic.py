"""The built-in shop: always the same, and such that what is recent tells more than what is old."""

import time

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import roc_auc_score

from stream.replay import CLICK, EVENTS, IMPRESSION, Choices, Source, open_source

DAY = 24 * 60 * 60 * 1000


@pytest.fixture(scope="module")
def shop() -> Source:
    return open_source("synthetic", None)


def column(source: Source, name: str) -> npt.NDArray[np.generic]:
    array = source.events[name].chunk(0)
    return np.asarray((array.indices if hasattr(array, "indices") else array).to_numpy())


def test_the_same_seed_makes_the_same_shop_and_another_one_another() -> None:
    some, again, other = (
        open_source("synthetic", None, Choices(seed=seed, events=9_000)) for seed in (1, 1, 2)
    )
    assert some.name == again.name != other.name
    assert some.events.equals(again.events)
    assert not some.events.equals(other.events)


def test_there_are_about_as_many_events_as_asked_for(shop: Source) -> None:
    assert len(shop) == pytest.approx(300_000, rel=0.01)
    assert len(open_source("synthetic", None, Choices(events=20_000))) == pytest.approx(20_000, rel=0.03)


@pytest.mark.parametrize("events", [1, 10, 1_000])
def test_a_tiny_shop_is_a_shop_too(events: int) -> None:
    assert len(open_source("synthetic", None, Choices(events=events))) >= 8


def test_it_is_made_in_a_moment() -> None:
    start = time.process_time()
    open_source("synthetic", None, Choices(seed=9))
    assert time.process_time() - start < 5


def test_events_are_sorted_and_a_click_follows_its_impression_within_minutes(shop: Source) -> None:
    assert shop.events.schema == EVENTS
    ts, kind = column(shop, "ts"), column(shop, "kind")
    assert np.all(ts[1:] >= ts[:-1])
    number = np.array([int(name[1:]) for name in shop.events["impression_id"].to_pylist()])
    shown = np.empty(number.max() + 1, np.int64)
    shown[number[kind == IMPRESSION]] = np.flatnonzero(kind == IMPRESSION)
    clicks = np.flatnonzero(kind == CLICK)
    impression = shown[number[clicks]]
    assert np.all(impression < clicks)
    for name in ("user_id", "item_id"):
        assert np.array_equal(column(shop, name)[impression], column(shop, name)[clicks])
    delay = ts[clicks] - ts[impression]
    assert delay.min() > 0
    assert delay.max() <= 240_000
    assert len(np.unique(number[clicks])) == len(clicks)


def test_about_15_percent_of_the_impressions_are_clicked_throughout(shop: Source) -> None:
    kind, day = column(shop, "kind"), (column(shop, "ts") - column(shop, "ts")[0]) // DAY
    for week in range(4):
        clicks = np.count_nonzero(kind[day // 7 == week] == CLICK)
        impressions = np.count_nonzero(kind[day // 7 == week] == IMPRESSION)
        assert 0.10 < clicks / impressions < 0.20


def test_new_items_arrive_all_the_time(shop: Source) -> None:
    _, first = np.unique(column(shop, "item_id"), return_index=True)
    new_a_day = np.bincount((column(shop, "ts")[first] - column(shop, "ts")[0]) // DAY)
    assert new_a_day[0] > 100
    assert np.all(new_a_day[1:28] > 5)


def rates(key: npt.NDArray[np.generic], clicked: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Smoothed click rates by key: [keys]."""
    shown = np.bincount(key, minlength=1 << 20)
    return (np.bincount(key, clicked, minlength=1 << 20) + 15) / (shown + 100)


def test_what_was_learned_last_week_tells_more_than_what_was_learned_in_the_first(shop: Source) -> None:
    kind, ts = column(shop, "kind"), column(shop, "ts")
    number = np.array([int(name[1:]) for name in shop.events["impression_id"].to_pylist()])
    clicked = np.zeros(number.max() + 1, np.bool_)
    clicked[number[kind == CLICK]] = True
    clicked, day = clicked[number][kind == IMPRESSION], ((ts - ts[0]) // DAY)[kind == IMPRESSION]
    item = column(shop, "item_id")[kind == IMPRESSION]
    user = column(shop, "user_id")[kind == IMPRESSION].astype(np.int64)
    category = np.array([names[0] for names in shop.events["categories"].to_pylist()])[kind == IMPRESSION]
    both = user * 24 + np.unique(category, return_inverse=True)[1]
    later = day >= 28

    def auc(since: int, until: int) -> float:
        then = (day >= since) & (day < until)
        score = sum(np.log(rates(key[then], clicked[then]))[key[later]] for key in (item, both))
        return float(roc_auc_score(clicked[later], score))

    first, last = auc(0, 7), auc(21, 28)
    assert last > first + 0.02
    assert last > 0.62
