"""A partition is a pure function of its log: the same as the slow reference says, however it is read."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from logs import CHANCES, SETTINGS, USERS, Log, events, logs, long_log, pieces
from oracle import (
    BEFORE_ALL,
    COUNTS,
    LATER,
    MAX_TS,
    Oracle,
    Record,
    Row,
    Run,
    by_order,
    offset_of,
    record,
    rows,
    run,
    ticked,
)

from stream.settings import StreamSettings
from stream.window.partition import Partition

quick = examples(max_examples=100, deadline=None)


def told(settings: StreamSettings, log: Sequence[Record]) -> Oracle:
    oracle = Oracle(settings)
    for place, one in enumerate(log):
        oracle.add(one, offset_of(place))
    return oracle


def agree(met: Run, oracle: Oracle) -> None:
    """The partition tells what the reference tells."""
    assert met.samples == oracle.samples
    assert met.counts == oracle.counts
    assert (met.partition.watermark, met.partition.ends) == (oracle.watermark, oracle.ends)
    assert met.histories == oracle.histories()
    expected = sorted(oracle.dead, key=lambda one: one[0])
    assert [one[:2] for one in met.dead] == [one[:2] for one in expected]
    for (*_, reason), (*_, word) in zip(met.dead, expected, strict=True):
        assert len(reason.splitlines()) == 1
        for known in ("future", "unknown impression"):
            assert reason.startswith(known) == (word == known)


def adds_up(counts: dict[str, int]) -> bool:
    return counts["produced"] == sum(counts[name] for name in COUNTS if name != "produced")


@quick
@given(SETTINGS, logs())
def test_a_log_read_at_once_gives_what_the_reference_gives(settings: StreamSettings, log: Log) -> None:
    agree(run(settings, log), told(settings, log))


@quick
@given(SETTINGS, logs(), st.data())
def test_after_every_step_everything_is_as_the_reference_says(
    settings: StreamSettings, log: Log, data: st.DataObject
) -> None:
    oracle, met = Oracle(settings), Run(Partition(settings))
    for piece in data.draw(pieces(log)):
        for place, one in enumerate(piece, start=met.met):
            oracle.add(one, offset_of(place))
        met.step(piece)
        agree(met, oracle)
        assert adds_up(met.counts)


@pytest.mark.parametrize("seed", range(4))
def test_long_logs_with_full_histories_give_what_the_reference_gives(seed: int) -> None:
    settings = StreamSettings(lateness=2 + seed, window=6, memory=1 + 5 * seed, max_skew=0)
    log = long_log(seed)
    oracle = told(settings, log)
    assert max(len(row.history) for row in oracle.samples) == 30
    whole = run(settings, log)
    agree(whole, oracle)
    chance = random.Random(seed)
    places = sorted(chance.sample(range(len(log)), 40))
    cut = run(settings, *(log[a:b] for a, b in itertools.pairwise([0, *places, len(log)])))
    agree(cut, oracle)
    assert cut.hashes == whole.hashes


@quick
@given(SETTINGS, logs(), st.data())
def test_any_cutting_of_a_log_into_steps_gives_the_same(
    settings: StreamSettings, log: Log, data: st.DataObject
) -> None:
    whole, cut = run(settings, log), run(settings, *data.draw(pieces(log)))
    assert (cut.samples, cut.hashes) == (whole.samples, whole.hashes)
    assert (cut.counts, cut.histories) == (whole.counts, whole.histories)
    assert cut.dead == whole.dead
    assert cut.partition.watermark == whole.partition.watermark


@quick
@given(SETTINGS, logs(), st.data())
def test_a_step_holds_exactly_what_was_decided_between_its_watermark_and_the_one_before(
    settings: StreamSettings, log: Log, data: st.DataObject
) -> None:
    met = run(settings, *data.draw(pieces(log)))
    oracle = told(settings, log)
    before, ends = BEFORE_ALL, 0
    for step in met.steps:
        inside = rows(step.samples)
        expected = [row for row in oracle.samples if before <= row.decided_at < step.watermark]
        assert inside == expected
        assert step.watermark >= before
        assert step.ends in (ends, ends + 1)
        before, ends = step.watermark, step.ends
    firsts = [next(step for step in met.steps if step.ends == end) for end in range(1, ends + 1)]
    assert [step.watermark for step in firsts] == oracle.at_ends


@quick
@given(SETTINGS, logs())
def test_samples_leave_in_order_with_numbers_without_gaps(settings: StreamSettings, log: Log) -> None:
    samples = run(settings, log).samples
    assert [row.number for row in samples] == list(range(len(samples)))
    assert [by_order(row) for row in samples] == sorted(map(by_order, samples))


@quick
@given(SETTINGS, logs(), logs())
def test_equal_rows_have_equal_hashes_and_different_rows_different_ones(
    settings: StreamSettings, log: Log, other: Log
) -> None:
    hashes: dict[Row, int] = {}
    for met in (run(settings, log), run(settings, other, log)):
        for row, each in zip(met.samples, met.hashes, strict=True):
            assert hashes.setdefault(row._replace(number=-1), each) == each
    assert len(set(hashes.values())) == len(hashes)


@quick
@given(SETTINGS, events(), CHANCES)
def test_events_out_of_order_within_the_lateness_change_nothing(
    settings: StreamSettings, found: list[dict[str, Any]], chance: random.Random
) -> None:
    """An event that comes less than the lateness after its time is never late."""

    def arriving() -> Log:
        delayed = [(event["ts"] + chance.randint(0, settings.lateness), event) for event in found]
        chance.shuffle(delayed)
        delayed.sort(key=lambda one: one[0])
        return [*(record(event) for _, event in delayed), ticked(MAX_TS, end=True)]

    one, other = run(settings, arriving()), run(settings, arriving())
    assert (one.samples, one.hashes) == (other.samples, other.hashes)
    assert one.counts == other.counts
    assert one.counts["late"] == 0
    assert one.histories == other.histories


@quick
@given(SETTINGS, events(), st.sampled_from([str(user) for user in USERS]))
def test_users_are_independent_of_each_other(
    settings: StreamSettings, mixed: list[dict[str, Any]], user: str
) -> None:
    settings = settings.model_copy(update={"lateness": 1000})
    end = ticked(MAX_TS)
    whole = run(settings, [*map(record, mixed), end])
    alone = run(settings, [*(record(event) for event in mixed if str(event["user_id"]) == user), end])
    of_user = [
        (row._replace(number=-1), each)
        for row, each in zip(whole.samples, whole.hashes, strict=True)
        if row.user == user
    ]
    assert of_user == [
        (row._replace(number=-1), each) for row, each in zip(alone.samples, alone.hashes, strict=True)
    ]
    assert alone.histories.get(user) == whole.histories.get(user)


@quick
@given(SETTINGS, logs(), st.data())
def test_sending_the_last_rows_of_a_source_again_changes_no_sample(
    settings: StreamSettings, log: Log, data: st.DataObject
) -> None:
    """A replay that was killed sends again what it does not know to have arrived."""
    log = [one._replace(source=b"s", row=row, timestamp=LATER) for row, one in enumerate(log)]
    log = [one for one in log if one.value and b"tick" not in one.value]
    place = data.draw(st.integers(0, len(log)))
    again = data.draw(st.integers(0, place))
    end = ticked(MAX_TS, end=True)
    once = run(settings, [*log, end])
    twice = run(settings, [*log[:place], *log[again:], end])
    assert (twice.samples, twice.hashes) == (once.samples, once.hashes)
    assert twice.histories == once.histories
