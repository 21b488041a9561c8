"""Models change under load and processes die: nobody who asks is told anything but an answer."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest
from serving_process import Serving, serving_of, shop_on
from waiting import until

from bench.serving.models import Shop

pytestmark = pytest.mark.integration

BODY = {"user_id": "user-7", "candidates": [f"item-{one}" for one in range(0, 500, 5)], "k": 5}
MB = 1024 * 1024


@pytest.fixture
def shop(bootstrap: str, tmp_path: Path) -> Shop:
    return shop_on(bootstrap, tmp_path)


@pytest.fixture
def serving(shop: Shop, bootstrap: str, tmp_path: Path) -> Iterator[Serving]:
    with serving_of(shop, bootstrap, tmp_path, "serving.workers=2") as serving:
        yield serving


@dataclass
class Callers:
    """Ask on kept connections until told to stop."""

    address: str
    count: int = 2
    versions: set[int] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)
    answered: int = 0

    def __enter__(self) -> Callers:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(self.count)]
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for one in self._threads:
            one.join()

    def _ask(self) -> None:
        with httpx.Client(base_url=self.address, timeout=30) as client:
            while not self._stop.is_set():
                try:
                    answer = client.post("/rank", json=BODY)
                    answer.raise_for_status()
                except httpx.HTTPError as error:
                    self.failed.append(repr(error))
                    continue
                self.versions.add(answer.json()["model_version"])
                self.answered += 1


def test_forty_swaps_under_load_fail_no_request_and_keep_no_memory(shop: Shop, serving: Serving) -> None:
    shop.next()
    serving.until_served(shop.version)
    pids = serving.pids()

    def resident() -> float:
        return sum(psutil.Process(pid).memory_full_info().uss for pid in pids) / MB

    with Callers(serving.address) as callers:
        for _ in range(10):
            shop.next()
            serving.until_served(shop.version)
        before = resident()
        for _ in range(30):
            shop.next()
            serving.until_served(shop.version)
        after = resident()
    assert callers.failed == []
    assert callers.answered > 40
    assert len(callers.versions) > 10
    assert serving.pids() == pids
    assert after - before < 15, "each process may keep a model or two, not thirty"
    until(lambda: sum(one["requests"] for one in serving.state()["processes"]) == callers.answered)


def test_a_process_that_is_killed_is_replaced_and_has_the_model_before_it_answers(
    shop: Shop, serving: Serving
) -> None:
    shop.next()
    serving.until_served(shop.version)
    killed, other = serving.pids()
    os.kill(killed, signal.SIGKILL)
    new = until(lambda: [pid for pid in serving.pids() if pid not in (killed, other)])
    with Callers(serving.address, count=4) as callers:
        serving.until_served(shop.version)
        shop.next()
        serving.until_served(shop.version)
    assert callers.failed == []
    assert sorted(serving.pids()) == sorted([*new, other])


def test_when_the_keeper_is_killed_nobody_stays_behind(shop: Shop, serving: Serving) -> None:
    shop.next()
    serving.until_served(shop.version)
    pids = serving.pids()
    serving.process.kill()
    serving.process.wait()
    until(lambda: not any(map(psutil.pid_exists, pids)))
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{serving.address}/healthz")


def test_told_to_stop_it_answers_what_has_begun_and_ends_with_all_of_its_processes(
    shop: Shop, serving: Serving
) -> None:
    shop.next()
    serving.until_served(shop.version)
    pids = serving.pids()
    serving.process.terminate()
    assert serving.process.wait(30) == 0
    assert not any(map(psutil.pid_exists, pids))
