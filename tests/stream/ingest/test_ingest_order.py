"""Merging by time, and finding where an ingest was."""

from hypothesis import given, settings
from hypothesis import strategies as st

from stream.ingest.mapping import SLATE
from stream.ingest.marks import Mark, Tail, resumed, source_of
from stream.ingest.merge import Merge

logs = st.lists(st.lists(st.integers(0, 50), max_size=12), min_size=1, max_size=4)


@given(logs, st.integers(1, 7))
def test_a_merge_gives_everything_once_each_partition_in_order_and_all_by_time(given, limit):
    merge: Merge[int, tuple[int, int]] = Merge(range(len(given)))
    for place, log in enumerate(given):
        for number, ts in enumerate(log):
            merge.add(place, ts, (place, number))
        merge.end(place)
    taken = []
    while some := merge.take(limit):
        taken += some
    assert sorted(item for _, _, item in taken) == [
        (p, n) for p, log in enumerate(given) for n in range(len(log))
    ]
    assert [time for _, time, _ in taken] == sorted(time for _, time, _ in taken)
    for place in range(len(given)):
        numbers = [item[1] for one, _, item in taken if one == place]
        assert numbers == sorted(numbers)


@given(logs, st.data())
def test_however_records_come_in_a_partition_ahead_never_overtakes_one_that_has_more(given, data):
    merge: Merge[int, int] = Merge(range(len(given)))
    left = {place: list(log) for place, log in enumerate(given)}
    taken: list[int] = []
    while left:
        place = data.draw(st.sampled_from(sorted(left)))
        if left[place]:
            ts = left[place].pop(0)
            merge.add(place, ts, ts)
        else:
            del left[place]
            merge.end(place)
        taken += [time for _, time, _ in merge.take(100)]
    taken += [time for _, time, _ in merge.take(100)]
    assert taken == sorted(taken)
    assert len(taken) == sum(map(len, given))


def test_nothing_is_given_while_a_partition_may_have_older():
    merge: Merge[str, int] = Merge("ab")
    merge.add("a", 5, 1)
    assert merge.empty() == ["b"]
    assert merge.take(9) == []
    merge.add("b", 3, 2)
    assert merge.take(9) == [("b", 3, 2)]
    assert merge.take(9) == []  # b had more, and may have older than a
    merge.end("b")
    assert merge.take(9) == [("a", 5, 1)]


PLACES = [("t", 0), ("t", 1)]

#: By source partition, for each record in order, the partition of events that it goes to.
routes = st.lists(st.lists(st.integers(0, 2), max_size=10), min_size=2, max_size=2)


@settings(deadline=None)
@given(routes, st.data())
def test_wherever_a_writer_is_killed_what_is_there_and_what_is_sent_again_is_all_of_it_once(given, data):
    """Three partitions take what was written up to somewhere; each may have got another part of it."""
    script: list[tuple[int, object]] = []  # (partition of events, row or mark) in the order of writing
    done = [0, 0]
    script += [(p, Mark.of(dict.fromkeys(PLACES, 0), 0)) for p in range(3)]
    while any(done[s] < len(given[s]) for s in range(2)):
        source = data.draw(st.sampled_from([s for s in range(2) if done[s] < len(given[s])]))
        script.append((given[source][done[source]], (source, done[source] * SLATE)))
        done[source] += 1
        if data.draw(st.booleans()):
            script += [(p, Mark.of({PLACES[s]: done[s] for s in range(2)}, 0)) for p in range(3)]
    # a mark is written after all before it is acknowledged: at most what is behind the last whole one is lost
    marks = [n for n, (_, what) in enumerate(script) if isinstance(what, Mark)]
    sure = data.draw(st.sampled_from(marks)) if marks else 0
    sure -= marks.index(sure) % 3
    end = next((n for n in marks if n >= sure + 3), len(script))
    end = data.draw(st.integers(sure, end))
    held: list[list[object]] = []
    for partition in range(3):
        mine = [n for n, (to, _) in enumerate(script) if to == partition]
        certain = [n for n in mine if n < sure]
        unsure = [n for n in mine if sure <= n < end]
        held.append([script[n][1] for n in certain + unsure[: data.draw(st.integers(0, len(unsure)))]])
    found = resumed([tail(one) for one in held], "x")
    for s, place in enumerate(PLACES):
        begin = found.begins.get(place, 0)
        for offset, partition in enumerate(given[s]):
            times = held[partition].count((s, offset * SLATE))
            floor = found.floors[partition].get(place, -1)
            times += offset >= begin and offset * SLATE > floor
            assert times == 1


def tail(held: list[object]) -> Tail:
    mark, rows = None, {}
    for one in held:
        if isinstance(one, Mark):
            mark, rows = one, {}
        else:
            rows[source_of("x", PLACES[one[0]])] = one[1]
    return Tail(mark, rows)
