"""Redis in front, Parquet behind: whatever becomes of Redis, what was put is there, and nobody waits long."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from clock import Clock
from hypothesis import given, settings
from hypothesis import strategies as some
from parts import part
from redis_server import RedisServer

from stream.errors import CorruptArtefact, MissingArtefact, StoreAway, StoreError
from stream.store import ParquetStore, TieredStore, name_of, tiered
from stream.store.redis import RedisStore


@pytest.fixture
def hot(redis_server: RedisServer) -> RedisStore:
    return RedisStore(redis_server.settings())


@pytest.fixture
def store(hot: RedisStore, tmp_path: Path, clock: Clock) -> TieredStore:
    return TieredStore(hot, ParquetStore(tmp_path), clock)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.message for one in caplog.records if one.levelno >= logging.WARNING]


def test_what_is_put_is_in_both(store: TieredStore, hot: RedisStore, tmp_path: Path) -> None:
    name = store.put(part(9))
    assert hot.has(name)
    assert ParquetStore(tmp_path).has(name)


def test_what_is_in_front_is_not_read_from_behind(store: TieredStore, tmp_path: Path) -> None:
    name = store.put(part(9))
    ParquetStore(tmp_path).delete(name)
    assert store.get(name).equals(part(9))
    assert not store.has(name)  # it is not durable


def test_what_a_full_durable_store_refuses_is_in_neither(
    store: TieredStore, hot: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: object, _table: pa.Table) -> str:
        raise StoreError("the disk is full")

    monkeypatch.setattr(ParquetStore, "put", full)
    with pytest.raises(StoreError, match="disk is full"):
        store.put(part(9))
    assert not hot.has(name_of(part(9)))


@pytest.mark.parametrize("loses", ["FLUSHALL", "kill -9 and restart", "one part"])
def test_what_redis_lost_is_read_from_behind_and_put_in_front_again(
    redis_server: RedisServer,
    store: TieredStore,
    hot: RedisStore,
    loses: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = [store.put(part(9, seed)) for seed in range(3)]
    if loses == "FLUSHALL":
        redis_server.admin.flushall()
    elif loses == "one part":
        hot.delete(names[0])
    else:
        redis_server.kill()
        redis_server.start()
    assert not hot.has(names[0])
    for seed, name in enumerate(names):
        assert store.get(name).equals(part(9, seed))
    assert all(map(hot.has, names))
    assert warnings(caplog) == []


def test_a_part_that_is_damaged_in_front_is_replaced(
    redis_server: RedisServer, store: TieredStore, hot: RedisStore, caplog: pytest.LogCaptureFixture
) -> None:
    name = store.put(part(9))
    redis_server.admin.hset(f"asmg:part:{name}", "0", b"nonsense")
    assert store.get(name).equals(part(9))
    assert hot.get(name).equals(part(9))
    assert len(warnings(caplog)) == 1


def test_a_redis_that_is_away_is_passed_over_and_asked_again_later(
    redis_server: RedisServer,
    store: TieredStore,
    hot: RedisStore,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    before = store.put(part(9, 1))
    redis_server.kill()
    meanwhile = store.put(part(9, 2))
    assert store.get(before).equals(part(9, 1))
    clock.now += tiered.AWAY + 1
    assert store.get(before).equals(part(9, 1))
    store.delete(store.put(part(9, 3)))
    assert len(warnings(caplog)) == 1
    assert str(redis_server.port) in warnings(caplog)[0]

    redis_server.start()
    assert store.get(before).equals(part(9, 1))
    assert not hot.has(before), "asked before its time"
    clock.now += tiered.AWAY + 1
    assert [store.get(one).equals(part(9, seed)) for seed, one in ((1, before), (2, meanwhile))] == [True] * 2
    assert hot.has(before)
    assert hot.has(meanwhile)
    assert len(warnings(caplog)) == 1
    assert caplog.records[-1].message == "the hot store answers again"


def test_a_redis_that_hangs_is_waited_for_once(
    redis_server: RedisServer, tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    patience = 0.3
    hot = RedisStore(redis_server.settings(timeout=int(1000 * patience)))
    store = TieredStore(hot, ParquetStore(tmp_path), clock)
    redis_server.pause()
    began = time.monotonic()
    names = [store.put(part(9, seed)) for seed in range(40)]
    assert all(store.get(one).equals(part(9, seed)) for seed, one in enumerate(names))
    assert patience <= time.monotonic() - began < 40 * patience
    assert len(warnings(caplog)) == 1
    redis_server.go_on()


def test_a_redis_that_answers_each_chunk_just_in_time_is_slow_all_the_same(
    redis_server: RedisServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("stream.store.redis.CHUNK", 100)
    store = TieredStore(RedisStore(redis_server.settings(timeout=1)), ParquetStore(tmp_path))
    name = store.put(part(3_000))
    assert store.get(name).equals(part(3_000))
    assert len(warnings(caplog)) == 1


def test_a_redis_that_is_full_still_gives_what_it_has(
    redis_server: RedisServer, store: TieredStore, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    first = store.put(part(9, 1))
    redis_server.admin.config_set("maxmemory", 1)
    names = [store.put(part(9, seed)) for seed in (2, 3)]
    assert store.get(names[0]).equals(part(9, 2))
    ParquetStore(tmp_path).delete(first)
    assert store.get(first).equals(part(9, 1))
    assert len(warnings(caplog)) == 1
    assert "maxmemory" in warnings(caplog)[0]


def test_what_is_damaged_behind_or_nowhere_is_an_error(
    store: TieredStore, hot: RedisStore, tmp_path: Path
) -> None:
    name = store.put(part(9))
    hot.delete(name)
    (tmp_path / name[:2] / f"{name}.parquet").write_bytes(b"nonsense")
    with pytest.raises(CorruptArtefact, match=name):
        store.get(name)
    assert not hot.has(name)
    with pytest.raises(MissingArtefact, match="0" * 64):
        store.get("0" * 64)


class Memory:
    """A store in memory: the seam to the outside, for laws over many histories."""

    def __init__(self) -> None:
        self.parts: dict[str, pa.Table] = {}
        self.fails: Exception | None = None

    def put(self, table: pa.Table) -> str:
        self._act()
        self.parts[name_of(table)] = table
        return name_of(table)

    def get(self, name: str) -> pa.Table:
        self._act()
        if name not in self.parts:
            raise MissingArtefact(name)
        return self.parts[name]

    def has(self, name: str) -> bool:
        self._act()
        return name in self.parts

    def delete(self, name: str) -> None:
        self._act()
        self.parts.pop(name, None)

    def _act(self) -> None:
        if self.fails:
            raise self.fails


TABLES = {name_of(one): one for one in (part(2, seed) for seed in range(3))}
FATES: dict[str, Callable[[Memory, Clock], None]] = {
    "lost": lambda hot, _: hot.parts.clear(),
    "away": lambda hot, _: setattr(hot, "fails", StoreAway("away")),
    "full": lambda hot, _: setattr(hot, "fails", StoreError("full")),
    "back": lambda hot, _: setattr(hot, "fails", None),
    "time": lambda _, clock: setattr(clock, "now", clock.now + tiered.AWAY + 1),
}


@settings(max_examples=100, deadline=None)
@given(
    some.lists(
        some.tuples(some.sampled_from(["put", "get", "delete", *FATES]), some.sampled_from(sorted(TABLES)))
    )
)
def test_whatever_becomes_of_the_front_all_that_was_put_and_not_deleted_is_there(
    steps: list[tuple[str, str]],
) -> None:
    clock, hot, durable, kept = Clock(), Memory(), Memory(), set()
    store = TieredStore(hot, durable, clock)
    for act, name in steps:
        if act == "put":
            assert store.put(TABLES[name]) == name
            kept.add(name)
        elif act == "delete":
            store.delete(name)
            kept.discard(name)
        elif act == "get" and name in kept:
            assert store.get(name).equals(TABLES[name])
        elif act in FATES:
            FATES[act](hot, clock)
    assert durable.parts.keys() == kept
    assert all(store.get(one).equals(TABLES[one]) for one in kept)
