"""What a sample says of foreign topics, and the mapping that is proposed for them."""

import json

import pytest

from stream.ingest.findings import Looked, findings
from stream.ingest.guess import propose, toml
from stream.ingest.mapping import Mapping
from stream.ingest.paths import Record
from stream.ingest.sample import Sample, Seen
from stream.ingest.spans import said, tidy
from stream.settings import SourceSettings, StreamSettings

T = 1_764_000_000_000


def sample(topic: str, values: list[dict], cut: bool = False, at: int = T, **more: object) -> Sample:
    seen = [
        Seen(0, n, json.dumps(one).encode(), Record(one, timestamp=at, **more))
        for n, one in enumerate(values)
    ]
    return Sample(topic, 1, seen, cut)


def found_in(*samples: Sample, stream: StreamSettings | None = None, **changed: object) -> dict:
    tables = propose(samples, {one.topic: "json" for one in samples})
    looked = []
    for one in samples:
        mine = [SourceSettings.model_validate(table | changed) for table in tables[one.topic]]
        looked.append(Looked.at(one, Mapping(mine), mine[0].time_unit))
    return findings(looked, stream or StreamSettings())


def views(count: int, start: int = 0) -> list[dict]:
    return [
        {
            "customerId": f"c{n % 9}",
            "product": {"sku": f"s{n % 7}", "tags": ["a"]},
            "token": f"k{n}",
            "at": T + n * 1000,
        }
        for n in range(start, count)
    ]


def taps(numbers: range, delay: int = 500) -> list[dict]:
    return [
        {
            "who": {"customer_id": f"c{n % 9}"},
            "sku": f"s{n % 7}",
            "ref": f"k{n}",
            "time": (T + n * 1000 + delay) / 1000,
        }
        for n in numbers
    ]


def test_a_mapping_is_guessed_from_names_and_from_values_that_two_topics_share():
    tables = propose(
        [sample("shop.views", views(200)), sample("shop.taps", taps(range(0, 200, 5)))],
        {"shop.views": "json", "shop.taps": "json"},
    )
    assert tables["shop.views"] == [
        {
            "topic": "shop.views",
            "kind": "impression",
            "user": "customerId",
            "time": "at",
            "time_unit": "ms",
            "item": "product.sku",
            "categories": "product.tags",
            "impression": "token",
        }
    ]
    assert tables["shop.taps"] == [
        {
            "topic": "shop.taps",
            "kind": "click",
            "user": "who.customer_id",
            "time": "time",
            "time_unit": "s",
            "item": "sku",
            "impression": "ref",
        }
    ]


def test_slates_and_kinds_in_one_topic_are_guessed_too():
    values: list[dict] = []
    for n in range(60):
        page = {
            "event": "page_view",
            "uid": n % 7,
            "request_id": f"r{n}",
            "ts": T + n,
            "eventId": f"e{2 * n}",
        }
        values.append(page | {"results": [{"id": f"i{k}", "genre": "x, y"} for k in range(5)]})
        tap = {
            "event": "click",
            "uid": n % 7,
            "request_id": f"r{n}",
            "ts": T + n + 9,
            "eventId": f"e{2 * n + 1}",
        }
        values.append(tap | {"item_id": "i1"})
    values.append({"event": "logout", "uid": 5, "ts": T})
    tables = propose([sample("all", values)], {"all": "json"})["all"]
    shown, taken = tables
    assert (shown["kind_field"], shown["impression_values"], taken["click_values"]) == (
        "event",
        ["page_view"],
        ["click"],
    )
    assert (shown["items"], shown["item"], shown["slate"], shown["separator"]) == (
        "results",
        "id",
        "request_id",
        ",",
    )
    assert (taken["item"], taken["slate"]) == ("item_id", "request_id")
    told = found_in(sample("all", values))
    assert (told["topics"][0]["impressions"], told["topics"][0]["clicks"], told["join"]["rate"]) == (
        300,
        60,
        1.0,
    )
    assert told["topics"][0]["left_out_kinds"] == {"event 'logout'": 1}


def test_a_topic_of_clicks_alone_and_one_that_makes_no_sense():
    clicks = [{"user_id": n % 5, "movie": n % 3, "timestamp": "2025-11-24T16:00:00Z"} for n in range(20)]
    tables = propose(
        [sample("ratings", clicks), sample("noise", [{"a": 1}])], {"ratings": "json", "noise": "json"}
    )
    assert tables["noise"] == []
    assert tables["ratings"] == [
        {
            "topic": "ratings",
            "kind": "click",
            "user": "user_id",
            "time": "timestamp",
            "time_unit": "iso",
            "item": "movie",
        }
    ]


def test_a_proposed_table_is_toml_that_gives_the_settings_back():
    import tomllib

    tables = propose([sample("views", views(50))], {"views": "json"})["views"]
    tables[0]["topic"] = 'odd "name" ü'
    assert tomllib.loads(toml(tables))["ingest"]["sources"] == tables


def test_the_join_counts_clicks_whose_impression_the_sample_would_hold():
    """The sample begins in the middle: clicks of its first half may have their impressions before it."""
    told = found_in(
        sample("views", views(200, start=100), cut=True), sample("taps", taps(range(0, 200, 5), 1_500))
    )
    join = told["join"]
    assert (join["rate"], join["found"]) == (1.0, join["considered"])
    assert 5 < join["considered"] < 15
    assert join["delay_ms"] == {"p50": 1_500, "p90": 1_500, "p99": 1_500}
    assert (join["window_ms"], said(join["window_ms"])) == (2_000, "2s")


def test_clicks_of_another_user_or_without_an_impression_are_told_of():
    clicks = taps(range(0, 200, 5))
    for one in clicks[:20]:
        one["who"]["customer_id"] = "c0x"
    for one in clicks[20:30]:
        one["ref"] = None
    told = found_in(sample("views", views(200)), sample("taps", clicks))
    assert (told["join"]["under_another_user"], told["join"]["clicks_without_id"]) == (20, 10)
    assert told["join"]["rate"] == pytest.approx(10 / 30, abs=1e-4)
    said_of_it = "\n".join(told["warnings"])
    for part in ("another user", "10 of 40 clicks name no impression", "33% of the clicks find"):
        assert part in said_of_it


def test_a_wrong_unit_is_found_by_kafka_s_own_times():
    told = found_in(sample("taps", taps(range(50))), time_unit="ms")
    assert told["topics"][0]["times"]["unit"] == "s"
    assert 'set time_unit = "s"' in told["warnings"][0]


def test_times_that_run_back_or_lie_ahead_are_told_with_the_lateness_that_would_do():
    values = views(1000)
    for n in range(100, 1000, 10):
        values[n]["at"] -= 90_000
    values[5]["at"] = T + 86_400_000
    told = found_in(sample("views", values, at=T + 1_000_000))
    times = told["topics"][0]["times"]
    assert (times["back"], times["late"], times["future"]) == (0.09, 0.09, 0.001)
    assert any("999 of 1000 would be in time with 2m" in one for one in told["warnings"])
    assert any("ahead of Kafka's clock" in one for one in told["warnings"])


def test_what_is_dropped_is_told_by_reason_with_an_example():
    values = views(50)
    for n in range(5):
        values[n]["at"] = f"soon {n}"
    values[7]["customerId"] = None
    told = found_in(sample("views", values))["topics"][0]
    assert (told["dropped"], told["impressions"]) == (6, 44)
    (first, second) = told["reasons"]
    assert (first["count"], first["example"]["offset"]) == (5, 0)
    assert first["reason"] == "time: at is 'soon 0', a number (ms since 1970) is expected"
    assert '"at": "soon 0"' in first["example"]["value"]
    assert second["reason"] == "user: customerId is null"


def test_rates_are_events_a_second_of_event_time():
    told = found_in(sample("views", views(1001)))["topics"][0]
    assert told["per_second"]["impressions"] == pytest.approx(1.0, rel=0.02)


def test_spans_are_those_that_people_set():
    assert [said(tidy(one)) for one in (1, 1_001, 61_000, 1_700_000, 10**12)] == [
        "1s",
        "2s",
        "2m",
        "30m",
        "2d",
    ]
    assert [said(one) for one in (90_000, 250, 0)] == ["1.5m", "250ms", "0ms"]
