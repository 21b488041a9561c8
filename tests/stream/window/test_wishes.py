"""A user who wishes to be forgotten: what becomes of the history, however the log is read."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from logs import SETTINGS, USERS, Log, logs, pieces
from oracle import MAX_TS, Oracle, Record, Run, click, impression, offset_of, record, run, settings, ticked

from stream.settings import StreamSettings
from stream.window.checkpoint import pasts_table, rest_table, restore
from stream.window.log import forget

quick = examples(max_examples=100, deadline=None)


@st.composite
def wished(draw: st.DrawFn) -> Log:
    """Any log, with wishes anywhere in it."""
    log: Log = list(draw(logs()))
    for _ in range(draw(st.integers(1, 4))):
        user = draw(st.sampled_from([str(user) for user in USERS]))
        log.insert(draw(st.integers(0, len(log))), Record(forget(user)))
    return log


def told(settings: StreamSettings, log: Sequence[Record]) -> Oracle:
    oracle = Oracle(settings)
    for place, one in enumerate(log):
        oracle.add(one, offset_of(place))
    return oracle


def forgotten(met: Run) -> list[tuple[int, str]]:
    return [one for step in met.steps for one in step.forgotten]


@quick
@given(SETTINGS, wished(), st.data())
def test_a_wish_is_met_as_the_reference_says_however_the_log_is_cut(
    settings: StreamSettings, log: Log, data: st.DataObject
) -> None:
    oracle, met = told(settings, log), run(settings, *data.draw(pieces(log)))
    assert met.samples == oracle.samples
    assert met.counts == oracle.counts
    assert met.histories == oracle.histories()
    assert forgotten(met) == oracle.forgotten
    assert (met.partition.watermark, met.partition.ends) == (oracle.watermark, oracle.ends)


@quick
@given(SETTINGS, wished(), st.data())
def test_a_restored_partition_knows_the_wishes_whose_time_has_not_come(
    settings: StreamSettings, log: Log, data: st.DataObject
) -> None:
    stop = data.draw(st.integers(0, len(log)))
    calm = run(settings, log[:stop])
    tables = [pasts_table(calm.partition)], rest_table(calm.partition, 3, 17)
    restored = Run(restore(settings, *tables, 3, 17), met=calm.met)
    calm.steps.clear()
    for one in (calm, restored):
        one.step([*log[stop:], ticked(MAX_TS, end=True)])
    assert restored.samples == calm.samples
    assert restored.histories == calm.histories
    assert forgotten(restored) == forgotten(calm)


@quick
@given(SETTINGS, wished())
def test_when_it_is_told_every_event_before_the_wish_is_decided_or_dropped(
    settings: StreamSettings, log: Log
) -> None:
    """What a manifest relies on: samples of such events are decided before, and out no later."""
    met, asked = run(settings), dict[tuple[int, str], int]()  # wish -> the user's youngest event before it
    for one in log:
        met.step([one])
        state = met.partition
        if one.value and one.value.startswith(b'{"type":"forget"') and state.asked:
            user, alive = state.users[state.asked[-1][1]], state.rows.alive()
            young = state.pending.ts[state.pending.user == user].tolist()
            young += state.rows.ts[alive][state.rows.user[alive] == user].tolist()
            asked[state.asked[-1]] = max(young, default=-1)
    for (at, _), youngest in asked.items():
        assert youngest + settings.window < at


def test_a_wish_drops_the_history_at_once_and_what_was_on_its_way_after() -> None:
    met = run(
        settings(lateness=5),
        [record(click("u", "old", 1)), record(click("v", "his", 1)), ticked(4)],
        [record(click("u", "on its way", 6)), Record(forget("u"))],
    )
    assert met.histories == {"v": (["his"], [1])}
    assert met.steps[-1].histories == [("u", None)]
    assert forgotten(met) == []
    met.step([record(click("u", "between", 12)), ticked(13)])
    assert met.histories["u"] == (["between", "on its way"], [12, 6])
    met.step([record(click("u", "new", 30)), ticked(40, end=True)])
    at = 4 + 5 + 10 + 1
    assert forgotten(met) == [(at, "u")]
    assert met.histories == {"v": (["his"], [1]), "u": (["new"], [30])}
    assert [row.history for row in met.samples if row.user == "u"] == [(), (), ("on its way",), ()]
    assert met.counts["used"] == met.counts["produced"] == 5


def test_a_wish_is_no_event_and_of_a_partition_without_events_nothing() -> None:
    met = run(settings(), [Record(forget("u"))], [record(impression("p", "v", "i", 3)), ticked(99, end=True)])
    assert met.counts == dict.fromkeys(met.counts, 0) | {"used": 1, "produced": 1}
    assert forgotten(met) == []
    assert met.partition.asked == []
