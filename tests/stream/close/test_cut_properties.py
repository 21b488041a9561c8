"""Periods are a function of the samples: partitions, arrival and repetition change no cut."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from cut_oracle import BEFORE_ALL, Batch, Closed, CutOracle, One, add, closed
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from stream.close.cut import Cutter
from stream.samples import Samples
from stream.settings import StreamSettings
from stream.window.log import Log, tick
from stream.window.partition import Partition

quick = examples(max_examples=100, deadline=None)

USERS = ("u", "v", "é", "10", "9", "\uffff", "😀")
#: When everything is over.
LAST = 60

SHAPES = st.tuples(st.none() | st.integers(1, 6), st.none() | st.sampled_from([1, 7, 10, 100])).filter(any)
#: Everything that happens by chance in a test; hypothesis makes it smaller when a test fails.
CHANCES = st.randoms(use_true_random=False)
CONTENTS = st.lists(
    st.tuples(
        st.integers(0, 50) | st.integers(9, 11),
        st.sampled_from(USERS),
        st.sampled_from(["a", "é"]),
        st.sampled_from(["", "p"]),
        st.integers(0, 1),
    ),
    max_size=30,
)


@dataclass(frozen=True)
class Truth:
    """What a partition's log determines, however it is cut into batches."""

    samples: Sequence[One]
    ends: Sequence[int]  # the watermark at each end

    def batches(self, chance: random.Random) -> list[Batch]:
        """One of the ways to write it: a batch holds what was decided since the watermark before."""
        marks = [(chance.randint(0, LAST), 0) for _ in range(chance.randint(0, 8))]
        marks = sorted([*marks, *((end, 1) for end in self.ends), (LAST, 2)])
        log: list[Batch] = []
        before, ends = BEFORE_ALL, 0
        for watermark, kind in marks:
            inside = [one for one in self.samples if before <= one.decided_at < watermark]
            ends += kind == 1
            log.append(Batch(inside, watermark, ends))
            before = watermark
        return log

    def written(self, chance: random.Random) -> list[Batch]:
        """All of it, and between what zombies write again and batches before which one was lost."""
        writers = [self.batches(chance)]
        log: list[Batch] = []
        number, reached = 0, (0, BEFORE_ALL)
        while all(writers):
            other = self.batches(chance)
            luck = chance.random()
            if luck < 0.2:
                begun = [
                    place
                    for place in range(len(other))
                    if place == 0 or (other[place - 1].ends, other[place - 1].watermark) <= reached
                ]
                writers.append(other[chance.choice(begun) :])
            elif luck < 0.4:
                beyond = [batch for batch in other if batch.samples and batch.samples[0].number > number]
                log += chance.sample(beyond, min(1, len(beyond)))
            else:
                batch = chance.choice(writers).pop(0)
                log.append(batch)
                reached = max(reached, (batch.ends, batch.watermark))
                number = max([number, *(one.number + 1 for one in batch.samples)])
        return log


def truths(
    contents: Sequence[tuple[int, str, str, str, int]], partitions: int, ends: Sequence[Sequence[int]]
) -> list[Truth]:
    """The samples over so many partitions, each user in one."""
    found = []
    for partition in range(partitions):
        mine = [
            One(-1, *content) for content in contents if USERS.index(content[1]) % partitions == partition
        ]
        mine = sorted(mine, key=One.order)
        numbered = [one._replace(number=number) for number, one in enumerate(mine)]
        found.append(Truth(numbered, ends[partition]))
    return found


def some_ends(chance: random.Random, partitions: int) -> list[list[int]]:
    """As many ends in every partition, or in one of them one less, seldom at the same watermark."""
    number = chance.randint(0, 3)
    common = sorted(chance.randint(0, LAST) for _ in range(number))
    if chance.random() < 0.5:
        ends = [common] * partitions
    else:
        ends = [sorted(chance.randint(0, LAST) for _ in range(number)) for _ in range(partitions)]
    if chance.random() < 0.2:
        ends[-1] = ends[-1][:-1]
    return ends


def mixed(chance: random.Random, logs: Sequence[Sequence[Batch]]) -> list[tuple[int, Batch]]:
    """The batches of all partitions in some order of arrival; a partition's own stay in theirs."""
    left = [list(log) for log in logs]
    order: list[tuple[int, Batch]] = []
    while any(left):
        partition = chance.choice([partition for partition, log in enumerate(left) if log])
        order += [
            (partition, left[partition].pop(0))
            for _ in range(min(len(left[partition]), chance.randint(1, 3)))
        ]
    return order


def cuts(
    shape: tuple[int | None, int | None],
    partitions: int,
    order: Sequence[tuple[int, Batch]],
    chance: random.Random,
) -> list[Closed]:
    """All periods, asked for now and then."""
    cutter = Cutter(partitions, *shape)
    found: list[Closed] = []
    for partition, batch in order:
        add(cutter, partition, batch)
        if chance.random() < 0.5:
            found += closed(cutter.cuts())
    return found + closed(cutter.cuts())


@quick
@given(SHAPES, CONTENTS, st.integers(1, 4), CHANCES)
def test_after_every_batch_the_periods_are_those_of_the_reference(
    shape: tuple[int | None, int | None],
    contents: list[tuple[int, str, str, str, int]],
    partitions: int,
    chance: random.Random,
) -> None:
    logs = [truth.batches(chance) for truth in truths(contents, partitions, some_ends(chance, partitions))]
    cutter = Cutter(partitions, *shape)
    met: list[list[Batch]] = [[] for _ in range(partitions)]
    found: list[Closed] = []
    for partition, batch in mixed(chance, logs):
        add(cutter, partition, batch)
        met[partition].append(batch)
        found += closed(cutter.cuts())
        assert found == CutOracle(met, *shape).cuts()


@quick
@given(SHAPES, CONTENTS, st.integers(1, 4), CHANCES)
def test_no_order_of_arrival_changes_a_cut(
    shape: tuple[int | None, int | None],
    contents: list[tuple[int, str, str, str, int]],
    partitions: int,
    chance: random.Random,
) -> None:
    logs = [truth.batches(chance) for truth in truths(contents, partitions, some_ends(chance, partitions))]
    expected = CutOracle(logs, *shape).cuts()
    for _ in range(3):
        assert cuts(shape, partitions, mixed(chance, logs), chance) == expected


@quick
@given(SHAPES, CONTENTS, CHANCES)
def test_any_number_of_partitions_gives_the_same_periods(
    shape: tuple[int | None, int | None],
    contents: list[tuple[int, str, str, str, int]],
    chance: random.Random,
) -> None:
    ends = sorted(chance.randint(0, LAST) for _ in range(chance.randint(0, 2)))
    found = []
    for partitions in (1, 2, 3, len(USERS), len(USERS) + 1):
        logs = [truth.batches(chance) for truth in truths(contents, partitions, [ends] * partitions)]
        found.append(
            [cut._replace(samples={}) for cut in cuts(shape, partitions, mixed(chance, logs), chance)]
        )
    assert found == [found[0]] * len(found)


@quick
@given(SHAPES, CONTENTS, st.integers(1, 3), CHANCES)
def test_nothing_that_zombies_write_and_no_gap_changes_a_cut(
    shape: tuple[int | None, int | None],
    contents: list[tuple[int, str, str, str, int]],
    partitions: int,
    chance: random.Random,
) -> None:
    each = truths(contents, partitions, some_ends(chance, partitions))
    expected = CutOracle([truth.batches(chance) for truth in each], *shape).cuts()
    order = mixed(chance, [truth.written(chance) for truth in each])
    assert cuts(shape, partitions, order, chance) == expected


@quick
@given(SHAPES, CONTENTS, st.integers(1, 3), CHANCES)
def test_what_is_closed_never_depends_on_what_comes_later(
    shape: tuple[int | None, int | None],
    contents: list[tuple[int, str, str, str, int]],
    partitions: int,
    chance: random.Random,
) -> None:
    each = truths(contents, partitions, some_ends(chance, partitions))
    order = mixed(chance, [truth.written(chance) for truth in each])
    part = cuts(shape, partitions, order[: chance.randint(0, len(order))], chance)
    assert part == cuts(shape, partitions, order, chance)[: len(part)]


def events(chance: random.Random, size: int) -> list[dict[str, Any]]:
    """Impressions and clicks in the order of their times."""
    shown: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for number in range(size):
        ts, user = number // 3, chance.choice(USERS)
        if shown and chance.random() < 0.4:
            earlier = chance.choice(shown[-20:])
            found.append(earlier | {"type": "click", "ts": ts})
        elif chance.random() < 0.2:
            found.append({"type": "click", "user_id": user, "item_id": chance.choice("abc"), "ts": ts})
        else:
            shown.append(
                {
                    "type": "impression", "impression_id": number % 50, "user_id": user,
                    "item_id": chance.choice("abc"), "categories": ["c"], "ts": ts,
                }
            )  # fmt: skip
            found.append(shown[-1])
    return found


@pytest.mark.parametrize("seed", range(3))
def test_from_events_to_periods_any_number_of_partitions_gives_the_same(seed: int) -> None:
    chance = random.Random(seed)
    settings = StreamSettings(lateness=1000, window=9, memory=30, max_skew=0)
    log, end = events(chance, 300), tick(110, end=True)
    more = [event | {"ts": event["ts"] + 110} for event in events(chance, 100)]
    found = []
    for partitions in (1, 2, 5):
        cutter = Cutter(partitions, 40, 37)
        periods: list[Closed] = []
        for partition in range(partitions):
            windowed = Partition(settings)
            mine = [
                [
                    json.dumps(one).encode()
                    for one in part
                    if USERS.index(one["user_id"]) % partitions == partition
                ]
                for part in (log, more)
            ]
            values = [*mine[0], end, *mine[1], tick(4000, end=True)]
            met = 0
            while met < len(values):
                taken = values[met : met + chance.randint(1, 60)]
                n = len(taken)
                piece = Log(taken, list(range(met, met + n)), [10**6] * n, [None] * n, [-1] * n)
                met += n
                for step in windowed.step(piece):
                    batch = Samples.decode(step.samples.encode())
                    cutter.add(partition, batch, step.watermark, step.ends)
            periods += closed(cutter.cuts())
        found.append([cut._replace(samples={}) for cut in periods])
    assert found == [found[0]] * 3
    assert {cut.reason for cut in found[0]} == {"count", "time", "end"}
