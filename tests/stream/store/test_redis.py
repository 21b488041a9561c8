"""The store in Redis: chunks, its bound, who takes parts away, who may come in; on a real redis-server."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from parts import part
from redis_server import PASSWORD, USER, RedisServer
from tls_front import tls_front

from stream.errors import ConfigurationError, CorruptArtefact, MissingArtefact, StoreAway, StoreError
from stream.settings import RedisSettings
from stream.store import name_of
from stream.store import redis as redis_store
from stream.store.base import canonical
from stream.store.redis import RedisStore

MIB = 1 << 20


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_store, "CHUNK", 1_000)


def keys(server: RedisServer) -> list[str]:
    return sorted(one.decode() for one in server.admin.keys("*"))


def held(server: RedisServer) -> int:
    """Bytes of all parts' content, as they lie there."""
    return sum(
        len(value)
        for key in server.admin.keys("asmg:*:*")
        for field, value in server.admin.hgetall(key).items()
        if field != b"bytes"
    )


@pytest.mark.usefixtures("small_chunks")
def test_a_part_of_many_chunks_comes_back_bit_for_bit(redis_server: RedisServer) -> None:
    store, table = RedisStore(redis_server.settings()), part(1_000)
    name = store.put(table)
    assert redis_server.admin.hlen(f"asmg:part:{name}") == 1 + -(-canonical(table).size // 1_000) > 40
    assert store.get(name).equals(table)


@pytest.mark.usefixtures("small_chunks")
def test_a_part_whose_writer_is_killed_half_way_is_not_there_and_is_taken_away(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, table = RedisStore(redis_server.settings()), part(1_000)

    class Killed(Exception):
        pass

    calls = []

    def dies(_self: object) -> None:
        calls.append(1)
        if len(calls) > 3:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(redis_store._OnTime, "__call__", dies)
        with pytest.raises(Killed):
            store.put(table)
    (left,) = (one for one in keys(redis_server) if one != "asmg:used")
    assert left.startswith(f"asmg:writing:{name_of(table)}:")
    assert redis_server.admin.hlen(left) == 4
    assert 0 < redis_server.admin.pttl(left) <= redis_store.WRITING_TTL
    assert not store.has(name_of(table))
    with pytest.raises(MissingArtefact):
        store.get(name_of(table))
    assert store.get(store.put(table)).equals(table)


@pytest.mark.usefixtures("small_chunks")
def test_a_reader_beside_two_writers_sees_a_part_whole_or_not_at_all(redis_server: RedisServer) -> None:
    table, stop = part(50), threading.Event()  # three chunks
    name, store = name_of(table), RedisStore(redis_server.settings())
    seen, failed = {"whole": 0, "missing": 0}, []

    def guarded(work: Callable[[RedisStore], None]) -> None:
        try:
            work(RedisStore(redis_server.settings()))
        except BaseException as error:
            failed.append(error)

    def write(own: RedisStore) -> None:
        while not stop.is_set():
            own.put(table)
            for _ in range(5):
                with suppress(MissingArtefact):
                    own.get(name)
            own.delete(name)

    threads = [threading.Thread(target=guarded, args=(write,)) for _ in range(2)]
    for one in threads:
        one.start()
    try:
        for _ in range(2_000):
            try:
                assert store.get(name).equals(table)
                seen["whole"] += 1
            except MissingArtefact:
                seen["missing"] += 1
            if min(seen.values()) >= 20:
                break
    finally:
        stop.set()
        for one in threads:
            one.join()
    assert not failed
    assert min(seen.values()) >= 20


def test_the_parts_used_last_stay_within_the_bound(redis_server: RedisServer) -> None:
    store = RedisStore(redis_server.settings(max_bytes=MIB))
    tables = [part(6_000, seed) for seed in range(4)]  # 0.3 MiB each: three fit
    names = [store.put(one) for one in tables[:3]]
    assert all(map(store.has, names))
    store.get(names[0])
    names.append(store.put(tables[3]))
    assert [store.has(one) for one in names] == [True, False, True, True]
    assert held(redis_server) <= MIB


def test_a_part_larger_than_the_bound_is_refused_and_takes_nobodys_place(redis_server: RedisServer) -> None:
    store = RedisStore(redis_server.settings(max_bytes=MIB))
    name = store.put(part(100))
    with pytest.raises(StoreError, match=r"redis\.max_bytes"):
        store.put(part(30_000))
    assert store.has(name)


ROWS = (3_000, 9_000, 14_000)
TABLES = {(rows, seed): part(rows, seed) for rows in ROWS for seed in range(4)}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    some.lists(some.tuples(some.sampled_from(["put", "get", "delete"]), some.sampled_from(sorted(TABLES))))
)
def test_it_keeps_exactly_what_a_list_in_order_of_use_would(
    redis_server: RedisServer, steps: list[tuple[str, tuple[int, int]]]
) -> None:
    redis_server.admin.flushall()
    store, model = RedisStore(redis_server.settings(max_bytes=MIB)), OrderedDict[str, int]()
    for act, which in steps:
        table = TABLES[which]
        name = name_of(table)
        if act == "put":
            store.put(table)
            model[name] = canonical(table).size
            model.move_to_end(name)
            while sum(model.values()) > MIB:
                model.popitem(last=False)
        elif act == "delete":
            store.delete(name)
            model.pop(name, None)
        elif name in model:
            assert store.get(name).equals(table)
            model.move_to_end(name)
        else:
            with pytest.raises(MissingArtefact):
                store.get(name)
    assert {one for one in map(name_of, TABLES.values()) if store.has(one)} == model.keys()
    assert held(redis_server) == sum(model.values()) <= MIB


def test_every_use_lengthens_a_parts_life_and_nothing_lives_for_ever(redis_server: RedisServer) -> None:
    store = RedisStore(redis_server.settings(ttl="1h"))
    name = store.put(part(3))
    for use in (lambda: store.get(name), lambda: store.put(part(3))):
        redis_server.admin.pexpire(f"asmg:part:{name}", 60_000)
        use()
        assert redis_server.admin.pttl(f"asmg:part:{name}") > 3_000_000
    assert all(redis_server.admin.pttl(one) > 0 for one in keys(redis_server))


@pytest.mark.usefixtures("small_chunks")
def test_a_writer_whose_room_is_taken_stops_and_leaves_nothing(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, table, calls = RedisStore(redis_server.settings()), part(1_000), []

    def evicts(_self: object) -> None:
        calls.append(1)
        if len(calls) == 3:
            (writing,) = (one for one in keys(redis_server) if one.startswith("asmg:writing:"))
            redis_server.admin.delete(writing)

    with monkeypatch.context() as patch:
        patch.setattr(redis_store._OnTime, "__call__", evicts)
        assert store.put(table) == name_of(table)
    assert len(calls) == 3
    assert keys(redis_server) == []
    assert not store.has(name_of(table))


@pytest.mark.parametrize("gone", ["asmg:used", "asmg:part"])
def test_any_key_may_vanish_by_itself(redis_server: RedisServer, gone: str) -> None:
    store = RedisStore(redis_server.settings(max_bytes=MIB))
    names = [store.put(part(6_000, seed)) for seed in range(3)]
    redis_server.admin.delete(*(one for one in keys(redis_server) if one.startswith(gone)))
    for seed, name in enumerate(names):
        if store.has(name):
            assert store.get(name).equals(part(6_000, seed))
    for seed in range(3, 7):
        last = store.put(part(6_000, seed))
    assert store.has(last)
    assert held(redis_server) <= MIB


def test_a_redis_that_evicts_by_itself_takes_whole_parts(redis_server: RedisServer) -> None:
    full = redis_server.admin.info("memory")["used_memory"] + 4 * MIB
    redis_server.admin.config_set("maxmemory", full)
    redis_server.admin.config_set("maxmemory-policy", "allkeys-random")
    store, there = RedisStore(redis_server.settings()), 0
    for seed in range(30):
        store.put(part(6_000, seed))
    for seed in range(30):
        name = name_of(part(6_000, seed))
        try:
            assert store.get(name).equals(part(6_000, seed))
            there += 1
        except MissingArtefact:
            assert not store.has(name)
    assert 0 < there < 30


def test_a_redis_that_is_full_refuses_in_one_line(redis_server: RedisServer) -> None:
    redis_server.admin.config_set("maxmemory", 1)
    with pytest.raises(
        StoreError, match=f"Redis at 127.0.0.1:{redis_server.port} refuses: .*maxmemory"
    ) as caught:
        RedisStore(redis_server.settings()).put(part(3))
    assert not isinstance(caught.value, StoreAway)


@pytest.mark.parametrize(
    "wrong", [{"password": "wrong-s3cret"}, {"username": "nobody"}, {"url": "redis://127.0.0.1:9/0"}]
)
def test_a_redis_that_cannot_be_entered_is_away_and_no_error_tells_the_password(
    redis_server: RedisServer, wrong: dict[str, str]
) -> None:
    store = RedisStore(redis_server.settings(**wrong))
    with pytest.raises(StoreAway, match=r"Redis at 127\.0\.0\.1:\d+ does not answer: ") as caught:
        store.put(part(3))
    assert "s3cret" not in f"{caught.value!r}{caught.value.__cause__!r}{store}"


def test_a_key_of_others_is_forbidden_to_the_acl_user(redis_server: RedisServer) -> None:
    with pytest.raises(StoreError, match=r"refuses: .*permission"):
        RedisStore(redis_server.settings(prefix="theirs:")).put(part(3))


def test_user_and_password_may_be_in_the_url(redis_server: RedisServer) -> None:
    quoted = PASSWORD.replace("/", "%2F").replace("@", "%40")
    url = f"redis://{USER}:{quoted}@127.0.0.1:{redis_server.port}"
    store = RedisStore(RedisSettings(url=url))
    assert store.get(store.put(part(3))).equals(part(3))
    assert str(store) == f"Redis at 127.0.0.1:{redis_server.port}"


def test_what_is_no_part_under_a_parts_key_is_refused(redis_server: RedisServer) -> None:
    store, name = RedisStore(redis_server.settings()), "0" * 64
    for content in ({"bytes": "many", "7": "x"}, {"0": "x", "1": "y"}):
        redis_server.admin.hset(f"asmg:part:{name}", mapping=content)
        with pytest.raises((MissingArtefact, CorruptArtefact), match=name):
            store.get(name)
    redis_server.admin.set(f"asmg:part:{'1' * 64}", "x")
    with pytest.raises(StoreError, match=r"refuses: .*wrong kind"):
        store.get("1" * 64)


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    mine = made.issue_cert("worker")
    mine.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    mine.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    return made


def test_with_tls_both_sides_show_who_signed_them(
    redis_server: RedisServer, authority: trustme.CA, tmp_path: Path
) -> None:
    with tls_front(redis_server.port, authority, clients=authority) as port:
        ours = {"ca_file": tmp_path / "ca.pem", "cert_file": tmp_path / "cert.pem"}
        told = redis_server.settings(
            url=f"rediss://127.0.0.1:{port}/0", **ours, key_file=tmp_path / "key.pem"
        )
        store, table = RedisStore(told), part(20_000)
        assert store.get(store.put(table)).equals(table)


def test_with_tls_a_server_that_somebody_else_signed_is_not_spoken_to(
    redis_server: RedisServer, authority: trustme.CA, tmp_path: Path
) -> None:
    with tls_front(redis_server.port, trustme.CA()) as port:
        told = redis_server.settings(url=f"rediss://127.0.0.1:{port}/0", ca_file=tmp_path / "ca.pem")
        with pytest.raises(StoreAway, match="certificate verify failed"):
            RedisStore(told).put(part(3))


def test_files_of_tls_without_tls_are_a_mistake(authority: trustme.CA, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="rediss://"):
        RedisStore(RedisSettings(url="redis://127.0.0.1", ca_file=tmp_path / "ca.pem"))


def test_a_table_of_many_batches_is_kept_as_one(redis_server: RedisServer) -> None:
    store = RedisStore(redis_server.settings())
    pieces = pa.concat_tables([part(5), part(7)])
    assert store.get(store.put(pieces)).equals(pieces)
