"""A row says what a period came to, and leaves open what has not happened."""

from serving.board import Measure, Seconds, Served, Swap, Unused, rows
from stream.records import Announcement, Manifest, Score, Serve, encode
from stream.topics import Topics
from trainer.announced import Announced

TOPICS = Topics("t.")


def announced(periods: int = 2) -> Announced:
    known, parent = Announced(TOPICS), ""
    for period in range(periods + 1):
        manifest = Manifest(
            period=period,
            parent=parent,
            reason="count" if period else "settings",
            count=100 * period,
            opened_at=10_000 * period,
            closed_at=10_000 * period + 9_000,
            last_event_at=10_000 * period + 8_500 if period else 0,
        )
        parent = manifest.hash()
        known.take(TOPICS.periods, encode(manifest))
    return known


def model(kind: str, version: int, score: Score | None, **seconds: float) -> bytes:
    return encode(
        Announcement(
            kind=kind,  # type: ignore[arg-type]
            version=version,
            parts={},
            parents={},
            score=score,
            seconds=seconds,
            announced_at=10_000 * version + 9_700,
        )
    )


def test_a_period_that_only_closed_has_open_ends() -> None:
    first, second = rows(announced(), {})
    assert (first.period, second.period, first.samples, first.reason) == (1, 2, 100, "count")
    assert first.seconds == Seconds(close=0.5)
    assert first.theta is first.star is first.served is first.word is first.gate is None
    assert first.trained_at is first.generated_at is first.served_at is first.freshness_seconds is None


def test_a_period_that_serves_has_every_time() -> None:
    known = announced()
    known.take(
        TOPICS.models, model("theta", 2, Score(auc=0.7, logloss=0.6, rows=1), read=9, train=0.2, write=0.1)
    )
    known.take(TOPICS.models, model("star", 2, None, generate=0.25, sweep=0.1, write=0.05, wait=7))
    known.take(TOPICS.serve, encode(Serve(period=2, kind="star", version=2, reason="ahead")))
    row = rows(known, {2: Swap(2, "star", 2, 30_000, 0.12)})[1]
    assert row.theta == Measure(0.7, 0.6)
    assert row.star is None
    assert row.served == row.word == Served(2, "star")
    assert row.gate == "ahead"
    assert row.seconds == Seconds(close=0.5, train=0.3, generate=0.4, swap=0.12, close_to_served=1.0)
    assert row.freshness_seconds == 1.5
    assert (row.trained_at, row.generated_at, row.served_at) == (29_700, 29_700, 30_000)


def test_what_made_no_sample_is_told_by_the_period_in_which_it_was_met_and_adds_up() -> None:
    known, parent = Announced(TOPICS), ""
    counts = [
        {},
        {"late": 2, "dead": 1},
        {"late": 2, "delayed": 4, "dead": 0},
        {"late": 3, "delayed": 4, "dead": 2},
    ]
    for period, of in enumerate(counts):
        manifest = Manifest(period=period, parent=parent, reason="count", counts=of)
        parent = manifest.hash()
        known.take(TOPICS.periods, encode(manifest))
    found = [row.unused for row in rows(known, {})]
    assert found == [Unused(late=2, dead=1), Unused(delayed=4), Unused(late=1, dead=1)]


def test_a_swap_that_was_not_awaited_says_nothing_of_freshness() -> None:
    row = rows(announced(), {1: Swap(1, "theta", 1, 999_000, 0.1, awaited=False)})[0]
    assert row.served == Served(1, "theta")
    assert row.seconds == Seconds(close=0.5, swap=0.1)
    assert row.freshness_seconds is row.served_at is None
