"""What windowing begins with after a warm-up: a state in the store that outlives every checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stream.errors import MissingArtefact
from stream.records import Beginning, Checkpoint, decode
from stream.settings import StreamSettings
from stream.store import ParquetStore
from stream.topics import Topics
from stream.window.checkpoint import pasts_table, rest_table
from stream.window.checkpoints import Checkpoints
from stream.window.log import Log, tick
from stream.window.partition import Partition

SETTINGS = StreamSettings(partitions=2, period_count=10, lateness=0)
OFFSET = 5


def clicks(*items: str, since: int = 0) -> Log:
    values: list[bytes | None] = [
        b'{"type":"click","user_id":"u","item_id":"%s","ts":%d}' % (item.encode(), since + place)
        for place, item in enumerate(items)
    ]
    values.append(tick(since + len(items)))
    n = len(values)
    return Log(values, list(range(since, since + n)), [since] * n, [None] * n, [-1] * n)


@pytest.fixture
def begun(tmp_path: Path) -> tuple[ParquetStore, Beginning, Partition]:
    """A store with the state of partition 0, what manifest 0 says of it, and the state."""
    store, state = ParquetStore(tmp_path), Partition(SETTINGS)
    state.step(clicks("a", "b"))
    base, rest = store.put(pasts_table(state)), store.put(rest_table(state, 0, OFFSET))
    return store, Beginning(offset=OFFSET, base=base, rest=rest), state


class Log_:
    """The topic of checkpoints."""

    def __init__(self) -> None:
        self.told: list[Checkpoint] = []

    def write(self, topic: str, value: bytes, *, key: bytes) -> None:
        assert (topic, key) == ("t.checkpoints", b"0")
        self.told.insert(0, decode(Checkpoint, value))

    def flush(self) -> None:
        pass


def checkpoints(
    store: ParquetStore, beginning: Beginning, told: Sequence[Checkpoint], monkeypatch: pytest.MonkeyPatch
) -> Checkpoints:
    monkeypatch.setattr(Checkpoints, "_announced", lambda _self: told)
    return Checkpoints({}, Topics("t."), store, SETTINGS, {"0": beginning})


def test_it_begins_there_and_a_partition_that_has_none_with_nothing(
    begun: tuple[ParquetStore, Beginning, Partition], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, beginning, state = begun
    loaded = checkpoints(store, beginning, [], monkeypatch).load([0, 1])
    found, chain = loaded[0]
    assert (found.number, found.watermark, chain.offset) == (2, state.watermark, OFFSET)
    assert pasts_table(found).equals(pasts_table(state))
    assert (loaded[1][0].number, loaded[1][1].offset) == (0, 0)


def test_checkpoints_come_and_go_and_it_stays_for_the_day_that_none_is_whole(
    begun: tuple[ParquetStore, Beginning, Partition], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, beginning, _ = begun
    log: Any = Log_()
    of = checkpoints(store, beginning, log.told, monkeypatch)
    state, chain = of.load([0])[0]
    for turn in range(1, 6):
        state.step(clicks("c", "d", "e", since=10 * turn))
        chain.changed.add("u")
        of.save(0, state, OFFSET + turn, 0, chain, log)
    assert [one.offset for one in log.told] == [10, 9, 8, 7, 6]
    assert of.load([0])[0][0].number == 2 + 5 * 3
    for part in {log.told[0].base, *log.told[0].deltas, log.told[0].rest} - {beginning.base}:
        store.delete(part)
    again, chain = of.load([0])[0]
    assert (again.number, chain.offset) == (2, OFFSET)


@pytest.mark.parametrize("part", ["base", "rest"])
def test_where_it_is_lost_too_windowing_does_not_begin_anew(
    part: str, begun: tuple[ParquetStore, Beginning, Partition], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, beginning, _ = begun
    store.delete(getattr(beginning, part))
    of = checkpoints(store, beginning, [], monkeypatch)
    with pytest.raises(MissingArtefact, match=r"what windowing of partition 0 begins with .* `asmg warmup`"):
        of.load([0])
