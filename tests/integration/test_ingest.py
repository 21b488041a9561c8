"""Ingest against a real Kafka: foreign topics become events and samples, each record once, killed or not."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import NewPartitions
from foreign_shop import STREAM, Shop, T, clicks, fill, samples_of, settings, views
from waiting import until

from stream import kafka
from stream.errors import BrokerError, ConfigurationError
from stream.settings import IngestSettings

pytestmark = pytest.mark.integration

#: An ingest in a process of its own, to be killed: bootstrap servers, prefix, settings as JSON.
PROCESS = f"""
import sys
from stream.ingest import worker
from stream.settings import IngestSettings, StreamSettings
from stream.signals import stop_on_signals
from stream.topics import Topics

bootstrap, prefix, settings = sys.argv[1:]
worker.MARK_EVERY, worker.READ, worker.TAKE = 0.05, 100, 50
settings = IngestSettings.model_validate_json(settings)
stream = StreamSettings.model_validate_json({STREAM.model_dump_json()!r})
worker.ingest({{"bootstrap.servers": bootstrap}}, Topics(prefix), settings, stream, stop_on_signals())
"""


@pytest.fixture
def shop(bootstrap: str) -> Shop:
    return Shop(bootstrap)


def test_foreign_names_become_events_and_windowing_gives_samples(shop, tmp_path):
    seen, taken = fill(shop, 400)
    with shop.at_work(settings(views(seen), clicks(taken))):
        events = shop.until_events(500)
    assert len(events) == 500
    first = next(one for one in events if one["type"] == "impression" and one["impression_id"] == "v0")
    assert first == {
        "type": "impression",
        "impression_id": "v0",
        "user_id": "u0",
        "item_id": "0",
        "ts": T,
        "categories": ["a", "b"],
    }
    click = next(one for one in events if one["type"] == "click" and one["impression_id"] == "v0")
    assert (click["user_id"], click["item_id"], click["ts"]) == ("u0", "0", T + 5_000)
    found = samples_of(shop, tmp_path, T + 1_000_000)
    assert sum(one.count for one in found) == 400
    assert sum(one.positives for one in found) == 100
    counts = found[-1].counts
    assert counts["produced"] == 500
    assert {counts[fate] for fate in ("late", "delayed", "duplicate", "dead", "pending")} == {0}


def test_what_cannot_be_used_goes_to_the_dead_letters_with_reason_place_and_bytes(shop):
    seen, taken = fill(shop, 60)
    with shop.at_work(settings(views(seen), clicks(taken))):
        shop.until_events(75)
        until(lambda: len(shop.records(shop.topics.dead_letters)) == 4)
    reasons = {}
    for one in shop.records(shop.topics.dead_letters):
        headers = {name: value.decode() for name, value in one.headers()}
        assert headers["topic"] in (seen, taken)
        assert int(headers["offset"]) >= 0
        reasons.setdefault(headers["topic"], set()).add((headers["reason"].partition(":")[0], one.value()))
    assert reasons[seen] == {("not JSON", b"{broken")}
    assert reasons[taken] == {("item", b'{"sku": null, "when": "today"}')}


def test_the_ingest_that_is_killed_again_and_again_leaves_no_gap_and_no_double(shop, tmp_path):
    count, events, dead = 3_000, 3_750, 120
    seen, taken = fill(shop, count)
    given = settings(views(seen), clicks(taken))
    with shop.at_work(given):
        shop.until_events(events)
        until(lambda: len(shop.records(shop.topics.dead_letters)) == dead)
    calm, calm_dead = shop.numbered(), buried(shop)
    calm_periods = samples_of(shop, tmp_path / "calm", T + 10_000_000)

    shop.again()
    for kill in (1, 400, 1_200, 2_500, 3_400):
        process = start(shop, given)
        until(lambda at_least=kill: len(shop.records(shop.topics.events)) > at_least)
        process.kill()
        process.wait()
    with shop.at_work(given):
        shop.until_events(events)
        until(lambda: len(shop.records(shop.topics.dead_letters)) == dead)
    disturbed = shop.numbered()
    assert [sorted(one) for one in disturbed] == [sorted(one) for one in calm]
    for rows in disturbed:  # each source's rows are in order
        for source in {source for source, _ in rows}:
            mine = [row for one, row in rows if one == source]
            assert mine == sorted(set(mine))
    assert sorted(buried(shop)) == sorted(calm_dead)
    periods = samples_of(shop, tmp_path / "disturbed", T + 10_000_000)
    assert [one.hash() for one in periods] == [one.hash() for one in calm_periods]
    assert sum(one.count for one in periods) == count


def start(shop: Shop, given: IngestSettings) -> subprocess.Popen:
    arguments = [shop.broker["bootstrap.servers"], shop.topics.prefix, given.model_dump_json()]
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, *map(str, arguments)], cwd=Path(__file__).parents[2]
    )


def buried(shop: Shop) -> list[tuple[str, int, int]]:
    found = []
    for one in shop.records(shop.topics.dead_letters):
        headers = dict(one.headers())
        found.append((headers["topic"].decode(), int(headers["partition"]), int(headers["offset"])))
    return found


def test_sigterm_ends_an_ingest_cleanly_and_the_next_has_nothing_to_do_again(shop):
    seen, taken = fill(shop, 200)
    given = settings(views(seen), clicks(taken))
    process = start(shop, given)
    shop.until_events(250)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    with shop.at_work(given):
        shop.put(seen, {"visitor": {"id": "u"}, "product": {"sku": 1}, "view": "new", "at": T // 1000 + 900})
        shop.flush()
        events = shop.until_events(251)
    assert len(events) == 251


def test_the_topic_that_is_behind_is_read_first(shop):
    """Clicks lie there already, impressions of the same hours come later: nothing is sent before its time."""
    seen, taken = shop.topic("views"), shop.topic("clicks")
    for n in range(20_000):
        shop.put(taken, {"sku": 1, "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(T // 1000 + n))},
                 key="u", headers={"view": f"v{n}".encode()})  # fmt: skip
        shop.put(seen, {"visitor": {"id": "u"}, "product": {"sku": 1}, "view": f"v{n}", "at": T // 1000 + n})
    shop.flush()
    with shop.at_work(settings(clicks(taken), views(seen))):
        events = shop.until_events(40_000)
    newest = 0
    for one in events:
        assert one["ts"] >= newest - 1_000
        newest = max(newest, one["ts"])


def test_a_slate_becomes_an_impression_per_item_that_its_clicks_find(shop, tmp_path):
    pages = shop.topic("pages")
    page = {"type": "page", "user": 7, "request": "r1", "at": T, "hits": [{"id": f"i{n}"} for n in range(5)]}
    shop.put(pages, page)
    shop.put(pages, {"type": "select", "user": 7, "request": "r1", "at": T + 9, "hit": {"id": "i3"}})
    shop.put(pages, {"type": "scroll", "user": 7})
    shop.flush()
    both = {"topic": pages, "kind_field": "type", "user": "user", "slate": "request", "time": "at"}
    with shop.at_work(
        settings(
            both | {"impression_values": ["page"], "items": "hits", "item": "id"},
            both | {"click_values": ["select"], "item": "hit.id"},
        )
    ):
        events = shop.until_events(6)
    assert [one["impression_id"] for one in events] == [f"r1/i{n}" for n in range(5)] + ["r1/i3"]
    found = samples_of(shop, tmp_path, T + 1_000_000)
    assert (sum(one.count for one in found), sum(one.positives for one in found)) == (5, 1)


def test_where_to_begin_is_earliest_latest_or_a_time_and_is_remembered(shop):
    seen = shop.topic("views")

    def put(name: str, at: int) -> None:
        shop.put(seen, {"visitor": {"id": "u"}, "product": {"sku": 1}, "view": name, "at": T // 1000},
                 timestamp=at)  # fmt: skip
        shop.flush()

    put("old", T - 10_000)
    put("newer", T + 10_000)
    with shop.at_work(settings(views(seen, start="2025-11-24T16:00:00Z"))):
        assert [one["impression_id"] for one in shop.until_events(1)] == ["newer"]
    shop.again()
    given = settings(views(seen, start="latest"))
    with shop.at_work(given):
        until(lambda: len(shop.records(shop.topics.events)) == 4)  # the marks of where it begins
    put("newest", T + 20_000)
    with shop.at_work(given):  # not the latest again
        assert [one["impression_id"] for one in shop.until_events(1)] == ["newest"]


def test_partitions_that_a_topic_gets_later_are_read_from_their_beginning(shop, monkeypatch):
    monkeypatch.setattr("stream.ingest.worker.LOOK_EVERY", 0.2)
    seen = shop.topic("views")
    view = {"visitor": {"id": "u"}, "product": {"sku": 1}, "view": "v", "at": T // 1000}
    with shop.at_work(settings(views(seen, start="latest"))):
        until(lambda: len(shop.records(shop.topics.events)) == 4)
        for future in shop.admin.create_partitions([NewPartitions(seen, 2)]).values():
            future.result(20)
        client = kafka.consumer(shop.broker, wait=10)
        until(lambda: kafka.partitions_of(client, seen) == 2)
        client.close()
        shop._producer = Producer(shop.broker)  # its knowledge of the topic would be old
        shop.put(seen, view, 1)
        shop.flush()
        assert [one["impression_id"] for one in shop.until_events(1)] == ["v"]


def test_records_that_kafka_deleted_unread_are_an_error_or_left_out_as_is_said(shop):
    seen = shop.topic("views")
    view = {"visitor": {"id": "u"}, "product": {"sku": 1}, "at": T // 1000}
    for n in range(10):
        shop.put(seen, view | {"view": f"v{n}"})
    shop.flush()
    with shop.at_work(settings(views(seen))):
        shop.until_events(10)
    for n in range(10, 20):
        shop.put(seen, view | {"view": f"v{n}"})
    shop.flush()
    place = kafka.TopicPartition(seen, 0, 15)
    for future in shop.admin.delete_records([place]).values():
        future.result(20)
    with (
        pytest.raises(BrokerError, match=r"has lost offsets 10 to 14 of partition 0 .* ingest.on_gap"),
        shop.at_work(settings(views(seen))),
    ):
        pass
    with shop.at_work(settings(views(seen), on_gap="skip")):
        shop.until_events(15)
    assert {one["impression_id"] for one in shop.events()} == {f"v{n}" for n in (*range(10), *range(15, 20))}


def test_a_topic_that_is_not_there_is_named(shop):
    with (
        pytest.raises(ConfigurationError, match=r"^there is no topic nowhere: mend ingest.sources"),
        shop.at_work(settings(views("nowhere"))),
    ):
        pass
