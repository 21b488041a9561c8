"""History, windowed offline, is what the stream would have made of it; and the stream goes on from there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from stream.archive.rows import table_of
from stream.close.batches import Batch
from stream.close.cut import Cut, Cutter, periods_in
from stream.errors import ConfigurationError, DataError
from stream.forgotten import digest_of
from stream.history.archived import Archive
from stream.history.beginning import Division, Windowed, division
from stream.history.steps import Told, steps, until_its_end
from stream.records import Archived, Manifest
from stream.replay import Choices, Source, open_source
from stream.samples import Samples, hash_of
from stream.settings import StreamSettings
from stream.store import ParquetStore
from stream.window.checkpoint import pasts_table, rest_table, restore
from stream.window.log import Log, tick
from stream.window.partition import Partition

PARTITIONS = 3
SETTINGS = StreamSettings(partitions=PARTITIONS, period_count=150, lateness=1000, window=60_000)
BY_TIME = SETTINGS.model_copy(update={"period_count": None, "period_span": 3_600_000})
SHAPES = pytest.mark.parametrize("settings", [SETTINGS, BY_TIME], ids=["count", "time"])


@cache
def shop() -> Source:
    return open_source("synthetic", None, Choices(events=2500))


def part(first: int, last: int) -> Source:
    """The shop's events in these rows, as a file of their own."""
    return Source(f"{shop().name}-{first}-{last}", shop().events.slice(first, last - first))


def no_tell(share: float) -> None:
    assert 0 <= share <= 1


def streamed(settings: StreamSettings) -> tuple[list[Cut], Samples]:
    """All periods of the shop where one partition holds it, and its samples by number."""
    cutter, cuts, found = Cutter(1, settings.period_count, settings.period_span), [], []
    for _, _, step in until_its_end(shop())([Partition(settings)]):
        cutter.add(0, step.samples, step.watermark, step.ends)
        found.append(step.samples)
        cuts += cutter.cuts()
    return cuts, Samples.concat(found)


def windowed(source: Source, settings: StreamSettings, pretrained: int) -> tuple[Windowed, list[Batch]]:
    """What history comes to, and its batches; D_0's must come first and be whole."""
    made = Windowed(settings, pretrained, dict.fromkeys(range(PARTITIONS), 7))
    told = list(made.batches(until_its_end(source), no_tell))
    inside = [one for one, _, _ in told]
    assert inside == sorted(inside, reverse=True)
    for mine, batch, before in told:
        stop = batch.first + len(batch.samples)
        assert not len(batch.samples) or mine == (stop <= made.ends[batch.partition])
        assert before.watermark <= batch.reached.watermark
        assert batch.reached.offset == 7
    return made, [batch for _, batch, _ in told]


def cuts_of(batches: Sequence[Batch], settings: StreamSettings, begin: dict[int, int]) -> list[Cut]:
    cutter = Cutter(PARTITIONS, settings.period_count, settings.period_span, begin=begin)
    found = []
    for one in batches:
        cutter.add(one.partition, one.samples, one.reached.watermark, one.reached.ends)
        found += cutter.cuts()
    return found


@SHAPES
@pytest.mark.parametrize("pretrained", [0, 1, 3])
def test_d_0_is_the_first_periods_of_the_stream_and_the_others_follow_it(
    settings: StreamSettings, pretrained: int
) -> None:
    cuts, samples = streamed(settings)
    made, batches = windowed(shop(), settings, pretrained)
    stop = cuts[pretrained - 1].samples[0][1] if pretrained else 0
    assert made.d_0.row_hash.tolist() == samples.row_hash[:stop].tolist()
    assert sum(made.ends.values()) == stop
    assert (made.last.last if made.last else None) == (cuts[pretrained - 1].last if pretrained else None)
    after = cuts_of(batches, settings, made.ends)
    assert [one.sha256 for one in after] == [one.sha256 for one in cuts[pretrained:]]
    assert [one.reason for one in after] == [one.reason for one in cuts[pretrained:]]


@SHAPES
def test_d_0_falls_into_the_periods_it_was_made_of(settings: StreamSettings) -> None:
    cuts, _ = streamed(settings)
    made, _ = windowed(shop(), settings, 3)
    parts = periods_in(made.d_0, settings.period_count, settings.period_span)
    assert [hash_of(one.row_hash) for one in parts] == [one.sha256 for one in cuts[:3]]
    assert periods_in(Samples.empty(), settings.period_count, settings.period_span) == []


@pytest.mark.parametrize("rows", [1200, 1701])
def test_the_stream_goes_on_from_where_history_ends_without_a_seam(rows: int) -> None:
    made, batches = windowed(part(0, rows), SETTINGS, 2)
    states = []
    for one, state in enumerate(made.states):
        base, rest = pasts_table(state), rest_table(state, one, 7)
        states.append(restore(SETTINGS, [base], rest, one, 7))
    reached = batches[-1].reached
    again = [
        Batch(
            one,
            states[one].number - len(step.samples),
            step.samples,
            replace(reached, watermark=step.watermark),
        )
        for _, one, step in until_its_end(part(rows, len(shop())))(states)
    ]
    whole, all_batches = windowed(shop(), SETTINGS, 2)
    cuts = cuts_of([*batches, *again], SETTINGS, made.ends)
    assert [one.sha256 for one in cuts] == [one.sha256 for one in cuts_of(all_batches, SETTINGS, whole.ends)]
    assert len(cuts) > 6
    assert [state.counts for state in states] == [state.counts for state in whole.states]
    for state, expected in zip(states, whole.states, strict=True):
        mine, theirs = pasts_table(state), pasts_table(expected)
        assert mine.sort_by("user_id").equals(theirs.sort_by("user_id"))


def test_what_the_stream_brings_of_the_time_of_history_is_late() -> None:
    rows = 1000
    made, _ = windowed(part(0, rows), SETTINGS, 1)
    before = [state.number for state in made.states]
    overlapping = part(rows - 200, rows)
    for _, _, step in steps(overlapping, made.states):
        assert len(step.samples) == 0
    assert [state.number for state in made.states] == before
    assert made.counts["late"] == 200


def test_all_users_histories_are_told_with_their_partition() -> None:
    made, _ = windowed(shop(), SETTINGS, 2)
    for (partition, user), history in made.histories.items():
        state = made.states[partition]
        offsets, codes, times = state.pasts.of(np.array([state.users[user]]))
        assert [state.items.names[code] for code in codes.tolist()] == history.items
        assert times.tolist() == history.times
        assert offsets[-1] == len(history.items)
    known = sum(int(np.count_nonzero(state.pasts.count)) for state in made.states)
    assert len(made.histories) == known


def test_history_is_shared_out_by_its_last_periods_or_by_what_is_usual() -> None:
    whole = len(streamed(SETTINGS)[0])
    told = until_its_end(shop())
    assert whole > 9
    assert division(told, SETTINGS, None, 4, no_tell) == Division(whole, 4)
    assert division(told, SETTINGS, None, 100, no_tell) == Division(whole, (whole + 1) // 2)
    assert division(told, SETTINGS, 0, 4, no_tell).pretrained == whole
    assert division(told, SETTINGS, whole, 4, no_tell).pretrained == 0
    with pytest.raises(ConfigurationError, match=rf"--periods {whole + 1}: history makes {whole} whole"):
        division(told, SETTINGS, whole + 1, 4, no_tell)


def test_a_history_too_short_for_a_period_is_named_with_what_would_make_one() -> None:
    few = SETTINGS.model_copy(update={"period_count": 100_000})
    with pytest.raises(DataError, match=r"makes [\d,]+ samples and no whole period.*stream\.period_count"):
        division(until_its_end(shop()), few, None, 4, no_tell)


def test_how_history_is_cut_into_chunks_changes_nothing() -> None:
    def of(chunk: int) -> list[int]:
        states = [Partition(SETTINGS) for _ in range(PARTITIONS)]
        told: Iterator[Told] = steps(shop(), states, chunk)
        by_partition: dict[int, list[int]] = {}
        for _, partition, step in told:
            by_partition.setdefault(partition, []).extend(step.samples.row_hash.tolist())
        last = int(shop().events["ts"].to_numpy()[-1])
        for partition, state in enumerate(states):
            for step in state.step(Log([tick(last + 1)], [9999], [last], [None], [-1])):
                by_partition[partition].extend(step.samples.row_hash.tolist())
        return [one for partition in sorted(by_partition) for one in by_partition[partition]]

    assert of(97) == of(8192)


def archive(store: ParquetStore, cuts: Sequence[Cut], samples: Samples) -> Archive:
    """The shop's periods as an archiver leaves them."""
    periods = []
    for number, cut in enumerate(cuts, start=1):
        d_t = samples.take(np.arange(*cut.samples[0])).compact()
        manifest = Manifest(period=number, parent="", reason=cut.reason, cut=cut.last, sha256=cut.sha256)
        part = store.put(table_of(d_t))
        periods.append((manifest, Archived(period=number, part=part, rows=len(d_t))))
    return Archive(periods, store)


def users_of(batch: Batch) -> list[str]:
    return [str(one) for one in batch.samples.compact().users.to_pylist()]


def test_an_archive_makes_the_same_periods_and_histories_whatever_the_partitions(tmp_path: Path) -> None:
    cuts, samples = streamed(SETTINGS)
    told = archive(ParquetStore(tmp_path), cuts, samples).until_its_end()
    assert division(told, SETTINGS, 0, 0, no_tell).whole == len(cuts)
    made = Windowed(SETTINGS, 2, dict.fromkeys(range(PARTITIONS), 0))
    batches = [batch for _, batch, _ in made.batches(told, no_tell)]
    after = cuts_of(batches, SETTINGS, made.ends)
    assert [one.sha256 for one in after] == [one.sha256 for one in cuts[2:]]
    assert hash_of(made.d_0.row_hash) == hash_of(samples.row_hash[: 2 * 150])

    user = next(iter(made.histories))[1]
    of = archive(ParquetStore(tmp_path), cuts, samples)
    without = Windowed(SETTINGS, 0, dict.fromkeys(range(PARTITIONS), 0))
    told = replace(of, forgotten=frozenset({digest_of(user)})).until_its_end()
    batches = [batch for _, batch, _ in without.batches(told, no_tell)]
    assert user in {one for batch in windowed(shop(), SETTINGS, 0)[1] for one in users_of(batch)}
    assert user not in {one for batch in batches for one in users_of(batch)}
    assert {name for _, name in without.histories} == {name for _, name in made.histories} - {user}

    last = Windowed(SETTINGS, 0, dict.fromkeys(range(PARTITIONS), 0))
    closed = cuts[-1].last[0] + 1
    events = shop().events["ts"].to_numpy()
    list(last.batches(until_its_end(part(0, int(np.searchsorted(events, closed)))), no_tell))
    assert made.histories == last.histories
    assert {state.watermark for state in made.states} == {closed}


def test_an_archived_period_that_is_lost_or_another_is_named(tmp_path: Path) -> None:
    cuts, samples = streamed(SETTINGS)
    store = ParquetStore(tmp_path)
    of = archive(store, cuts, samples)
    (first, record), (second, other), *_ = of.periods
    wrong = Archive([(first, record), (second, record)], store)
    with pytest.raises(DataError, match="archived period 2 cannot be used: the samples of period 2 are not"):
        division(wrong.until_its_end(), SETTINGS, 0, 0, no_tell)
    store.delete(other.part)
    with pytest.raises(DataError, match=r"period 2 cannot be used: the store has no part .*; restore"):
        division(of.until_its_end(), SETTINGS, 0, 0, no_tell)
