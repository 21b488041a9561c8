"""Avro through the whole ingest: schemas from a registry, which may be away, and may learn a schema later."""

from collections import Counter
from collections.abc import Iterator

import pytest
from foreign_shop import STREAM, Shop, T, settings
from schema_registry import VIEW, Registry, answering, framed
from waiting import until

from stream import kafka
from stream.dead.replay import Asked, Replay
from stream.errors import BrokerError

pytestmark = pytest.mark.integration


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    with answering(monkeypatch) as server:
        yield server


@pytest.fixture
def shop(bootstrap: str) -> Shop:
    return Shop(bootstrap)


def view(number: int, schema: int = 17) -> bytes:
    ids = {"sku": f"s{number}", "view": f"00000000-0000-0000-0000-{number:012}", "at": T + number}
    return framed(VIEW | ids | {"visitor": {"id": number % 7}}, schema)


def test_avro_is_ingested_a_registry_is_waited_for_and_a_schema_it_learns_later_is_replayed(shop, registry):
    topic = shop.topic("avro", 2)
    table = {"topic": topic, "format": "avro", "kind": "impression"}
    table |= {"user": "visitor.id", "item": "sku", "impression": "view", "time": "at"}
    given = settings(table, registry=registry.url)
    for number in range(50):
        shop.put(topic, view(number), number % 2)
    for number in range(50, 53):
        shop.put(topic, view(number, schema=18), number % 2)
    shop.put(topic, b"\0\0", 0)
    shop.flush()

    registry.status = 422
    refused = pytest.raises(BrokerError, match=r"the schema registry at .* refuses: status 422")
    with refused, shop.at_work(given) as failed:
        until(lambda: failed)
    assert (shop.events(), shop.records(shop.topics.dead_letters)) == ([], [])
    registry.status = 200
    with shop.at_work(given):
        until(lambda: len(shop.records(shop.topics.dead_letters)) == 4)
        events = shop.until_events(50)
    assert sorted(one["item_id"] for one in events) == sorted(f"s{number}" for number in range(50))
    assert {one["user_id"] for one in events} == set("0123456")
    assert sorted(one["ts"] for one in events) == list(range(T, T + 50))
    assert (
        Counter(one.partition("?")[0] for one in registry.asked)["/schemas/ids/17"] <= 2
    )  # and not 50 times

    registry.also.add(18)
    client = kafka.consumer(shop.broker, wait=10)
    replay = Replay(shop.broker, client, shop.topics, given, STREAM, Asked(), lambda _: lambda *_: None)
    done = replay()
    client.close()
    assert {outcome: count for (_, outcome), count in done.letters.items()} == {
        "replayed": 3,
        "still dead": 1,
    }
    assert sorted(one["ts"] for one in shop.events()) == list(range(T, T + 53))
