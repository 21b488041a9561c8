"""The whole loop as a user starts it: to its end, and to the same end whatever is killed on the way."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from demo_process import Demo
from waiting import until

from stream.broker.cluster import Cluster

pytestmark = pytest.mark.integration

EVENTS, PERIODS = 20_000, 8

#: Kafka takes 9 s and more to find leaders for the partitions of a node that died: longer than an idle one
#: is waited for here; and none may be taken for idle.
A_CLUSTER = ("kafka.replication=3", "stream.idle_after=5000")


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    """Starts demos of one size in one folder; whatever runs at the end is killed."""
    started: list[Demo] = []

    def start(*words: str, resume: bool = False, bootstrap: str = "") -> Demo:
        size = ["--resume"] if resume else ["--events", str(EVENTS), "--periods", str(PERIODS)]
        started.append(Demo(tmp_path, *size, *words, bootstrap=bootstrap))
        return started[-1]

    yield start
    for one in started:
        one.end_at_once()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The figures of a demo that nobody disturbed, on an embedded Kafka of its own."""
    one = Demo(tmp_path_factory.mktemp("demo"), "--events", str(EVENTS), "--periods", str(PERIODS))
    found = one.result()
    return found | {"said": one.said}


def processes_of(folder: Path) -> list[psutil.Process]:
    """Everything that works in the folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        told = process.info["cwd"] == str(folder) or str(folder) in " ".join(process.info["cmdline"] or ())
        if told and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def test_a_demo_ends_with_figures_of_every_period(undisturbed: dict[str, Any]) -> None:
    periods = undisturbed["periods"]
    assert [one["period"] for one in periods] == list(range(1, PERIODS + 1))
    assert undisturbed["lost"] == 0
    assert undisturbed["events"] == undisturbed["counts"]["produced"] == undisturbed["counts"]["in_kafka"]
    assert sum(one["samples"] for one in periods) == undisturbed["samples"]
    assert undisturbed["events_per_second"] > 0
    assert undisturbed["freshness_seconds"]["p50"] <= undisturbed["freshness_seconds"]["max"]
    assert [one["served"]["version"] for one in periods] == list(range(1, PERIODS + 1))
    assert all(one["theta"]["auc"] is not None for one in periods)
    assert periods[-1]["star"] is not None
    assert all(one["shadows"]["iu"]["auc"] is not None for one in periods)
    assert list(undisturbed["compared"]) == ["Θ", "Θ*", "EMA", "iu"]
    assert len(undisturbed["hashes"]["shadows"]) == PERIODS
    assert all(periods[-1]["seconds"][stage] is not None for stage in ("close", "train", "generate", "swap"))
    assert len(undisturbed["hashes"]["periods"]) == PERIODS + 1
    assert undisturbed["restarts"] == {}
    assert undisturbed["memory_mb"] > 0


def test_a_demo_says_where_the_page_is_and_ends_with_a_table(undisturbed: dict[str, Any]) -> None:
    said = undisturbed["said"]
    assert any(re.search(r"page and API: http://127\.0\.0\.1:\d+", line) for line in said)
    rows = [line for line in said if re.match(rf"\s+[1-{PERIODS}]\s", line)]
    assert len(rows) == PERIODS
    assert any("0 lost" in line for line in said)


def test_workers_that_are_killed_come_to_the_same_with_fewer_partitions_too(
    demo: Callable[..., Demo], bootstrap: str, undisturbed: dict[str, Any]
) -> None:
    one = demo("--set", "stream.partitions=1", bootstrap=bootstrap)
    one.kill_replay_when_it_has_sent_some()
    one.read_until("^period 1:")
    serve = one.worker("serve")
    serve.suspend()  # so the demo cannot end before all have been killed
    for command in ("window", "train", "metagen", "shadow"):
        one.kill(command)
    serve.kill()
    found = one.result()
    assert found["restarts"] == {
        "replay": 1,
        "window-1": 1,
        "train": 1,
        "metagen": 1,
        "serve": 1,
        "shadow": 1,
    }
    assert found["lost"] == 0
    assert found["hashes"] == undisturbed["hashes"]


def test_one_of_three_kafka_nodes_dies_and_nobody_ends_or_comes_to_anything_else(
    demo: Callable[..., Demo], tmp_path_factory: pytest.TempPathFactory, undisturbed: dict[str, Any]
) -> None:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        words = [word for one in A_CLUSTER for word in ("--set", one)]
        one = demo(*words, bootstrap=cluster.start().bootstrap)
        one.read_until("^period 2:")
        cluster.kill(2)
        found = one.result()
    finally:
        cluster.stop()
    assert found["restarts"] == {}, "\n".join(one.said)
    assert found["lost"] == 0
    assert found["hashes"] == undisturbed["hashes"]


def test_a_killed_demo_leaves_nothing_behind_and_it_and_a_stopped_one_go_on_to_the_same_end(
    demo: Callable[..., Demo], tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    killed = demo()
    killed.read_until("^period 1:")
    assert len(processes_of(tmp_path)) > 5
    killed.end_at_once()
    until(lambda: not processes_of(tmp_path))
    stopped = demo(resume=True)
    stopped.read_until("page and API")  # it may have little left to do, so not at a certain period
    stopped.process.send_signal(signal.SIGINT)
    assert stopped.end() == 130
    assert "`asmg demo --resume` goes on where it was" in stopped.said[-1]
    assert processes_of(tmp_path) == []
    found = demo(resume=True).result()
    assert found["lost"] == 0
    assert found["hashes"] == undisturbed["hashes"]


def test_page_and_api_stay_up_when_asked_to_and_operators_can_look_and_go_back(
    demo: Callable[..., Demo], tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    one = demo("--keep", "--window-workers", "2", "--pace", "max")  # which change nothing that comes out
    page = re.search(r"http://[\d.:]+", one.read_until("page and API stay up"))
    assert page is not None
    body = json.dumps({"user_id": "user-1", "candidates": ["item-1", "item-2"], "k": 2})
    ranked = httpx.post(f"{page[0]}/rank", content=body, headers={"content-type": "application/json"})
    assert ranked.status_code == 200
    told = subprocess.run(
        [sys.executable, "-m", "asmg", "status", "--json"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
        timeout=60,
    )
    status = json.loads(told.stdout)
    assert (status["closed"], status["trained"], status["decided"]) == (PERIODS, PERIODS, PERIODS)
    assert status["lag"] == {"window_events": 0, "train_periods": 0, "metagen_periods": 0}
    scores = [row["theta"]["auc"] for row in undisturbed["periods"]]
    assert [row["theta"]["auc"] for row in status["periods"]] == scores
    last = httpx.get(f"{page[0]}/state").json()["serving"]
    assert (status["serving"]["address"], status["serving"]["told"]["serving"]) == (page[0], last)
    assert all(
        (one["kind"], one["version"]) == (last["kind"], last["version"])
        for one in status["serving"]["told"]["processes"]
    )

    def models(*words: str) -> str:
        asked = [sys.executable, "-m", "asmg", "models", *words]
        return subprocess.run(
            asked, cwd=tmp_path, capture_output=True, check=True, timeout=60, text=True
        ).stdout

    def serves(kind: str, version: int) -> bool:
        now = httpx.get(f"{page[0]}/state").json()["serving"]
        return (now["kind"], now["version"]) == (kind, version)

    assert "links back to the first period hold" in models("explain", f"star/{PERIODS}")
    assert "came out the same, byte by byte" in models("rebuild", f"star/{PERIODS}", "--all")
    models("rollback", "theta/3", "--by", "the test")
    until(lambda: serves("theta", 3))
    assert [one["held_by"] for one in json.loads(models("list", "--json")) if one["serves"]] == ["the test"]
    models("release")
    until(lambda: serves(last["kind"], last["version"]))
    one.process.send_signal(signal.SIGINT)
    assert one.result()["hashes"] == undisturbed["hashes"]
