"""The loop as it runs for a shop: events go in, and within seconds the API answers with a newer model."""

import json
from collections.abc import Iterator

import httpx
import pytest
from collector import Collector, Span, collecting
from loop_shop import PERIOD, Shop, at_work_on, version
from waiting import until

from stream import kafka

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """What the workers tell of periods."""
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def shop(
    bootstrap: str, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Shop, str]]:
    """A shop's producer, and the address of the API; the four workers run while the tests last."""
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.address}
    with at_work_on(bootstrap, tmp_path_factory.mktemp("loop"), **told) as shop:
        yield shop


def test_events_of_a_shop_bring_newer_models_within_seconds(shop: tuple[Shop, str]) -> None:
    producer, address = shop
    request = {"user_id": "u2", "candidates": [f"i{one}" for one in range(50)] + ["new"], "k": 5}
    assert httpx.post(f"{address}/rank", json=request).status_code == 503
    for period in range(1, 5):
        producer.open_for(PERIOD + 30)  # the window of the last ones is open still
        until(lambda period=period: version(address) >= period)
        answer = httpx.post(f"{address}/rank", json=request).json()
        assert answer["model_version"] >= period
        assert (answer["unknown_user"], answer["unknown_items"]) == (False, 1)
        assert len(answer["items"]) == 5

    def periods() -> list[dict]:
        return httpx.get(f"{address}/state").json()["periods"]

    until(lambda: len(periods()) >= 4 and periods()[3]["served"])
    assert [one["samples"] for one in periods()[:4]] == [PERIOD] * 4
    assert periods()[3]["star"] is not None


def test_what_four_processes_did_for_a_period_is_one_trace(
    shop: tuple[Shop, str], collector: Collector
) -> None:
    producer, address = shop
    producer.open_for(PERIOD + 30)
    until(lambda: version(address) >= 2)
    told_by = {"window": "period", "train": "train", "metagen": "metagen", "serve": "swap"}
    wanted = {(f"asmg-{worker}", name) for worker, name in told_by.items()}

    def whole() -> dict[str, Span] | None:
        """By name, those of a period that all have told of."""
        for period in range(2, 20):
            found = [one for one in list(collector.spans) if one.told["asmg.period"] == period]
            if {(one.service, one.name) for one in found} >= wanted:
                return {one.name: one for one in found}
        return None

    until(whole)
    spans = whole()
    assert spans is not None
    assert len({one.trace for one in spans.values()}) == 1
    assert {spans[name].below for name in ("train", "metagen", "swap")} == {spans["period"].id}
    assert spans["period"].below == ""
    assert {f"train {stage}" for stage in ("read", "score", "train", "write")} <= spans.keys()
    assert {f"metagen {stage}" for stage in ("read", "wait", "sweep")} <= spans.keys()
    assert {one.told["asmg.samples"] for one in spans.values()} == {PERIOD}
    assert spans["period"].ended <= spans["metagen"].began <= spans["swap"].ended


def test_what_was_ranked_goes_back_to_the_stream_when_asked_to(shop: tuple[Shop, str]) -> None:
    producer, address = shop
    producer.open_for(PERIOD + 30)
    until(lambda: version(address) >= 1)
    request = {"user_id": "u2", "candidates": ["i1", "i2", "i3"], "k": 2, "log": True}
    answer = httpx.post(f"{address}/rank", json=request).json()
    ids = {one["impression_id"] for one in answer["items"]}
    follower = kafka.Follower(producer.broker, {(producer.topics.events, one): 0 for one in range(4)})
    found: list[dict] = []

    def logged() -> bool:
        found.extend(json.loads(one.value()) for one in follower.poll(kafka.GLANCE))
        return {one.get("impression_id") for one in found} >= ids

    until(logged)
    mine = [one for one in found if one.get("impression_id") in ids]
    assert {(one["type"], one["user_id"]) for one in mine} == {("impression", "u2")}
    assert {one["item_id"] for one in mine} == {one["item_id"] for one in answer["items"]}
    follower.close()
