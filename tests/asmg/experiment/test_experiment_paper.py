"""The paper's protocol: what is filtered, where periods end, and which negatives are drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asmg.experiment import paper
from asmg.experiment.rows import Rows, rows_of
from stream.errors import ConfigurationError
from stream.replay import Choices, Source, open_source
from stream.samples import Samples
from trainer.batches import make_examples
from trainer.catalogue import Catalogue
from trainer.settings import NegativeDraw, TrainerSettings

HEADER = "user_id,item_id,cat_id,seller_id,brand_id,time_stamp,action_type"


def words(samples: Samples) -> list[tuple[str, str, int]]:
    users, items = samples.users.to_pylist(), samples.items.to_pylist()
    return [
        (users[user], items[item], label)
        for user, item, label in zip(samples.user, samples.item, samples.label.tolist(), strict=True)
    ]


@pytest.fixture
def log(click_log: Path) -> Source:
    return open_source("clicks", click_log)


@pytest.mark.parametrize("draw", ["uniform", "popular"])
def test_every_click_gets_a_negative_its_user_never_had_up_to_then(log: Source, draw: NegativeDraw) -> None:
    periods = paper.periods("clicks", log, 8, 0, draw)
    had: dict[str, set[str]] = {}
    rows = rows_of(log)
    ordered = zip(rows.user, rows.item, strict=True)
    clicks = [(rows.users[int(user)].as_py(), rows.items[int(item)].as_py()) for user, item in ordered]
    place = 0
    for samples in periods:
        named = dict[str, list[tuple[str, str, int]]]()
        for impression, one in zip(samples.impression_id.to_pylist(), words(samples), strict=True):
            named.setdefault(impression, []).append(one)
        for row in range(place, place + len(named)):
            user, item = clicks[row]
            had.setdefault(user, set()).add(item)
            (negative,) = [one for one in named[str(row)] if one[2] == 0]
            assert (user, item, 1) in named[str(row)]
            assert negative[0] == user
            assert negative[1] not in had[user]
        place += len(named)
    assert place == 400
    assert [int(one.label.sum()) for one in periods] == [50] * 8


def test_negatives_are_uniform_over_all_items_also_those_to_come() -> None:
    n, items = 20_000, 50
    rows = made(users=np.arange(n), items=np.arange(n) % items)
    counts = np.bincount(paper.negatives(rows, seed=1), minlength=items)
    assert np.all(np.abs(counts - n / items) < 6 * np.sqrt(n / items))
    assert set(paper.negatives(rows, seed=1)[:items].tolist()) - {0, 1, 2}  # before they were clicked


def test_popular_negatives_follow_the_counts_of_the_whole_data_set() -> None:
    """Items 0, 1 and 2 have half, a third and a sixth of all rows; each user has met one item then."""
    n = 60_000
    items = np.array([0, 0, 0, 1, 1, 2])[np.arange(n) % 6]
    drawn = paper.negatives(made(users=np.arange(n), items=items), seed=1, draw="popular")
    for item, left in ((0, {1: 2 / 3, 2: 1 / 3}), (1, {0: 3 / 4, 2: 1 / 4}), (2, {0: 3 / 5, 1: 2 / 5})):
        counts = np.bincount(drawn[items == item], minlength=3)
        assert counts[item] == 0
        for other, share in left.items():
            m = counts.sum()
            assert abs(counts[other] - m * share) < 6 * np.sqrt(m * share * (1 - share))
    again = paper.negatives(made(users=np.arange(n), items=items), seed=1, draw="popular")
    other = paper.negatives(made(users=np.arange(n), items=items), seed=2, draw="popular")
    assert np.array_equal(drawn, again)
    assert not np.array_equal(drawn, other)


def test_an_item_too_rare_to_be_drawn_by_chance_is_found_where_it_is_all_that_is_left() -> None:
    """10,000 rows of one user and item, and one row of another user and item."""
    rows = made(users=np.array([0] * 10_000 + [1]), items=np.array([0] * 10_000 + [1]))
    drawn = paper.negatives(rows, seed=0, draw="popular")
    assert set(drawn[:-1].tolist()) == {1}
    assert drawn[-1] == 0


@pytest.mark.parametrize("draw", ["uniform", "popular"])
def test_a_user_who_has_every_item_gets_no_negative(draw: NegativeDraw) -> None:
    rows = made(users=np.zeros(6, np.int64), items=np.array([0, 1, 0, 2, 1, 2]))
    drawn = paper.negatives(rows, 0, draw)
    assert np.all(drawn[:3] >= 0)
    assert drawn[2] == 2
    assert drawn[3:].tolist() == [-1, -1, -1]


def test_the_trainer_draws_no_more_and_a_negative_has_its_items_categories(log: Source) -> None:
    samples = Samples.concat(paper.periods("clicks", log, 8, seed=0))
    catalogue = Catalogue(TrainerSettings(), True)
    catalogue.extend(samples)
    assert len(make_examples(samples, catalogue, 1, 0, negatives=1)) == len(samples)
    names = samples.categories.to_pylist()
    for row in np.flatnonzero(samples.label == 0)[:50]:
        item = int(samples.items[int(samples.item[row])].as_py()[1:])
        mine = samples.category[samples.category_offsets[row] : samples.category_offsets[row + 1]]
        assert {names[code] for code in mine} == {f"c{item % 3}", f"c{item % 4}"}


def test_users_with_most_rows_are_kept_then_items_with_enough_of_theirs() -> None:
    rows = made(users=np.array([0, 0, 0, 1, 1, 2, 2, 3]), items=np.array([5, 6, 5, 6, 5, 5, 7, 5]))
    kept = paper.filtered(rows, users=2, clicks=2)
    assert kept.user.tolist() == [0, 0, 0, 1, 1]
    assert kept.item.tolist() == [5, 6, 5, 6, 5]
    assert paper.filtered(rows, users=2, clicks=3).item.tolist() == [5, 5, 5]


def test_tmalls_periods_are_days_and_other_numbers_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paper, "CLICKS", 1)
    days = [("u1", "a", 1001), ("u2", "b", 1001), ("u1", "b", 1002), ("u2", "a", 1003), ("u1", "a", 1111)]
    lines = [f"{user[1:]},{ord(item)},7,1,1,{day},0" for user, item, day in days]
    path = tmp_path / "user_log_format1.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    since, until = paper.SLICES["tmall"]
    source = open_source("tmall", path, Choices(since=since, until=until))
    found = paper.periods("tmall", source, 3, seed=0)
    assert [int(one.label.sum()) for one in found] == [2, 1, 1]
    with pytest.raises(ConfigurationError, match="there are 3: say --periods 3"):
        paper.periods("tmall", source, 4, seed=0)


def test_ratings_are_positive_from_four_stars_on_and_nothing_is_drawn(tmp_path: Path) -> None:
    ratings = ["1,10,4.0,100", "1,11,3.5,200", "2,10,5.0,300", "1,12,1.0,400"]
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n" + "\n".join(ratings) + "\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n10,A,Drama|War\n11,B,War\n")
    found = paper.periods("movielens", open_source("movielens", tmp_path), 2, seed=0)
    assert [words(one) for one in found] == [
        [("1", "10", 1), ("1", "11", 0)],
        [("2", "10", 1), ("1", "12", 0)],
    ]
    assert found[1].decided_at.tolist() == [300_000, 400_000]
    assert [found[1].items[int(code)].as_py() for code in found[1].history] == ["10"]


def made(users: np.ndarray, items: np.ndarray) -> Rows:
    """Clicks one after the other."""
    import pyarrow as pa

    n = len(users)
    names = [str(one) for one in range(int(max(users.max(), items.max())) + 1)]
    return Rows(
        ts=np.arange(n),
        user=users,
        item=items,
        label=np.ones(n, np.int8),
        impression_id=pa.array([""] * n),
        category_offsets=np.zeros(n + 1, np.int64),
        category=np.zeros(0, np.int64),
        users=pa.array(names),
        items=pa.array(names),
        categories=pa.array([], pa.string()),
    )
