"""Trainer and metagen on Redis in front of Parquet: all of Redis is lost midway, and nothing differs."""

import threading
from collections.abc import Callable

from memory_broker import PERIODS, TOPICS
from redis_server import RedisServer
from test_workers import outcome, run, undisturbed

from stream.records import Announcement
from stream.store import ParquetStore, TieredStore, tiered
from stream.store.redis import RedisStore
from trainer.kafka import Workplace


def lose(server: RedisServer) -> None:
    """As kill -9 and a restart with an empty memory."""
    server.kill()
    server.start()


#: What becomes of all of Redis after so many announcements; after the last there is none.
LOSSES: dict[int, Callable[[RedisServer], object]] = {
    2: lambda server: server.admin.flushall(),
    5: lose,
    8: RedisServer.kill,
}


def test_losing_all_of_redis_changes_no_model(shop, redis_server, tmp_path, monkeypatch):
    monkeypatch.setattr(tiered, "AWAY", 0.0)  # or a worker that asks while it restarts would not ask again
    broker, place = shop
    alone = undisturbed(broker, place)
    hot, durable = RedisStore(redis_server.settings()), ParquetStore(tmp_path / "again")
    place = Workplace({}, TOPICS, TieredStore(hot, durable), place.read, place.seed)
    write, lock, lost = broker.write, threading.Lock(), []

    def losing(topic, value, *, key=None):
        with lock:
            write(topic, value, key=key)
            if topic == TOPICS.models and (lose := LOSSES.get(len(broker.topics[topic]))):
                lost.append(len(redis_server.admin.keys("asmg:part:*")))
                lose(redis_server)

    broker.write = losing
    assert run(place, broker, "train", "generate") == []
    assert len(lost) == len(LOSSES)
    assert all(lost), "Redis held something each time"
    assert outcome(broker) == alone
    for model in broker.records(TOPICS.models, Announcement):
        assert all(map(durable.has, model.parts.values()))


def test_workers_that_are_killed_and_come_back_to_an_empty_redis_fill_it_and_go_on(
    shop, redis_server, tmp_path
):
    broker, place = shop
    alone = undisturbed(broker, place)
    durable = ParquetStore(tmp_path / "again")

    def tiers():
        store = TieredStore(RedisStore(redis_server.settings()), durable)
        return Workplace({}, TOPICS, store, place.read, place.seed)

    broker.dies = {TOPICS.models: (4, "after")}
    assert len(run(tiers(), broker, "train", "generate")) >= 1
    broker.dies = {}
    before = broker.records(TOPICS.models, Announcement)
    lose(redis_server)
    assert run(tiers(), broker, "train", "generate") == []
    assert outcome(broker) == alone
    hot = RedisStore(redis_server.settings())
    newest = max((one for one in before if one.kind == "theta"), key=lambda one: one.version)
    assert newest.version < PERIODS
    assert all(map(hot.has, newest.parts.values())), "read from Parquet, and put in front again"
