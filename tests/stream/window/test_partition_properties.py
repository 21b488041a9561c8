"""A partition is a pure function of its log: the same as the slow reference says, however it is read."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
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
    click,
    impression,
    offset_of,
    record,
    rows,
    run,
    ticked,
)

from stream.settings import StreamSettings
from stream.window.partition import Partition

Log = list[Record]
quick = examples(max_examples=200, deadline=None)

#: Few of each, so that nearly everything meets; some are alike, some sort otherwise as UTF-16 or as numbers.
USERS = ("u", "u", "u\0", 7, "é")
ITEMS = ("a", "b", 10, "9", "\uffff", "😀")
IMPRESSIONS = ("p", 7, "7", "ü")
BAD = (
    None,
    b"",
    b"{",
    b"[]",
    b'{"type":"tick","watermark":-1,"end":true}',
    b'{"type":"purchase","user_id":"u","item_id":"a","ts":3}',
    b'{"type":"click","user_id":"u","item_id":"a","ts":"3"}',
    b'{"type":"click","user_id":"","item_id":"a","ts":3}',
    b'{"type":"impression","user_id":"u","item_id":"a","ts":3}',
    b'{"type":"click","user_id":"u","item_id":"a","ts":3,"impression_id":"\\udc00"}',
)

SETTINGS = st.builds(
    StreamSettings,
    lateness=st.sampled_from([0, 3, 7, 7, 1000]),
    window=st.sampled_from([0, 1, 5, 12]),
    memory=st.sampled_from([0, 1, 6, 1000]),
    max_skew=st.sampled_from([0, 5]),
)
#: What a test leaves to chance; hypothesis makes it smaller when a test fails.
CHANCES = st.randoms(use_true_random=False)
#: The largest time in a log, less where its times lie.
MOST = 60
#: Where the times of a log lie: at zero, now, at the end of time.
BASES = st.sampled_from([0, 1_764_000_000_000, MAX_TS - MOST])


def categories_of(item: object) -> list[object]:
    """Made from the item, so that complete ties are equal rows."""
    return [item, "c", 3][: len(str(item).encode()) % 4]


@st.composite
def events(draw: st.DrawFn, max_size: int = 40) -> list[dict[str, Any]]:
    """Impressions and clicks whose times rise by and large; clicks mostly of what was shown just before."""
    found: list[dict[str, Any]] = []
    shown: list[tuple[object, object]] = []
    now = 0
    for _ in range(draw(st.integers(0, max_size))):
        now = min(MOST, now + draw(st.sampled_from([0, 1, 0, 2, 4])))
        ts = max(0, now - draw(st.sampled_from([0, 0, 0, 1, 3, 7])))
        user, item = draw(st.sampled_from(USERS)), draw(st.sampled_from(ITEMS))
        identifier = draw(st.sampled_from(IMPRESSIONS))
        categories = categories_of(item)
        more: dict[str, Any] = {"categories": categories} if categories or draw(st.booleans()) else {}
        kind = draw(st.sampled_from(["impression", "click", "lonely", "impression", "click"]))
        if kind == "impression":
            shown.append((user, identifier))
            found.append(impression(identifier, user, item, ts, **more))
        elif kind == "lonely":
            found.append(click(user, item, ts, **more, impression_id=None))
        else:
            if draw(st.integers(0, 4)):
                user, identifier = draw(st.sampled_from([*shown[-4:], (user, identifier)]))
            found.append(click(user, item, ts, impression_id=identifier, categories=[ts % 3]))
    return found


@st.composite
def logs(draw: st.DrawFn, max_size: int = 40) -> Log:
    """Any log: late, future, malformed and repeated records, ticks and ends."""
    base = draw(BASES)
    log: Log = []
    for place, event in enumerate(draw(events(max_size))):
        now = base + event["ts"]
        kind = draw(st.sampled_from(["", "", "", "", "again", "", "", "", "bad", "tick", "", "end"]))
        if kind == "again" and log:
            log.append(draw(st.sampled_from(log[-6:])))
        elif kind == "bad":
            log.append(Record(draw(st.sampled_from(BAD)), source=b"s", row=1))
        elif kind in ("tick", "end"):
            log.append(ticked(max(0, now - draw(st.sampled_from([4, 9, 1, 0]))), end=kind == "end"))
        source, row = draw(
            st.sampled_from([(b"s", place)] * 4 + [(b"s", 1), (b"t", 1), (None, 1), (b"s", -1)])
        )
        timestamp = draw(st.sampled_from([LATER] * 9 + [now - 3]))
        value = json.dumps(event | {"ts": now}, ensure_ascii=draw(st.booleans())).encode()
        log.append(Record(value, timestamp, source, row))
    if draw(st.integers(0, 3)):
        log.append(ticked(min(base + 2000, MAX_TS), end=True))
    return log


@st.composite
def pieces(draw: st.DrawFn, log: Sequence[Record]) -> list[Sequence[Record]]:
    """The log cut anywhere; now and then into single records, now and then with empty pieces."""
    if draw(st.integers(0, 3)) == 0:
        return [[one] for one in log]
    places = sorted(draw(st.lists(st.integers(0, len(log)), max_size=6)))
    return [log[first:last] for first, last in itertools.pairwise([0, *places, len(log)])]


def long_log(seed: int) -> Log:
    """A thousand events of three users, so that histories are full and ids come again and again."""
    chance = random.Random(seed)
    log: Log = []
    now = 0
    for row in range(1000):
        now += chance.choice([0, 0, 0, 1, 1, 6])
        ts = max(0, now - chance.choice([0, 0, 0, 1, 2, 9]))
        user, item = chance.choice(USERS[:3]), chance.choice(ITEMS)
        identifier = chance.randrange(12)
        event = chance.choice(
            [
                impression(identifier, user, item, ts, categories=categories_of(item)),
                click(user, item, ts, impression_id=identifier),
                click(user, "nothing", ts),
            ]
        )
        log.append(record(event, source=b"s", row=row))
        if chance.random() < 0.05:
            log += chance.choices(log[-20:], k=2)
        if chance.random() < 0.02:
            log.append(ticked(now - 2, end=chance.random() < 0.3))
    return [*log, ticked(now + 1000, end=True)]


def told(settings: StreamSettings, log: Sequence[Record]) -> Oracle:
    oracle = Oracle(settings)
    for place, one in enumerate(log):
        oracle.add(one, offset_of(place))
    return oracle


def untied(samples: Sequence[Row]) -> list[Row]:
    """In Order, complete ties by their content: a memory of 0 lets them differ, in no order that is said."""
    ordered = sorted(samples, key=lambda row: (by_order(row), row[1:]))
    return [row._replace(number=number) for number, row in enumerate(ordered)]


def agree(met: Run, oracle: Oracle) -> None:
    """The partition tells what the reference tells."""
    assert untied(met.samples) == untied(oracle.samples)
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
    settings = StreamSettings(lateness=2 + seed, window=6, memory=5 * seed, max_skew=0)
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
        inside = untied(rows(step.samples))
        expected = [row for row in oracle.samples if before <= row.decided_at < step.watermark]
        assert inside == untied(expected)
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
