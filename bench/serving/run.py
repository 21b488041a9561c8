"""One run: models made, serving started, and load at a steady state and during swaps, in turn."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil
from threadpoolctl import threadpool_limits

from asmg.broker import Attachment
from asmg.caller import ANYBODY
from asmg.options import settings_of
from asmg.staging import ports
from asmg.watch import metric
from bench.machine import Tell, machine
from bench.serving.load import Latency, Load, end
from bench.serving.models import Shape, Shop, item, user
from serving.bundle import Bundle
from serving.fetch import fetch as fetch_model
from serving.opening import Opener
from stream import kafka
from stream.errors import AsmgError
from stream.records import Announcement
from stream.samples import HISTORY
from stream.store import durable_store

#: Users that requests come from, and bodies that are sent in turn.
USERS, BODIES = 2_000, 256
#: Seconds that anything may take.
PATIENCE = 120.0
_MB = 1024 * 1024


@dataclass(frozen=True)
class Asked:
    """What is run."""

    shape: Shape
    candidates: int
    connections: int
    rounds: int
    swaps: int  # of each round
    every: float  # seconds between two swaps
    steady: float  # seconds of load without swaps, each round
    variants: int
    workers: int
    sets: tuple[str, ...] = ()


def run(asked: Asked, tell: Tell) -> dict[str, Any]:
    """Figures by name. Raises: AsmgError."""
    answering, others = _cpus(asked.workers)
    found: dict[str, Any] = {"machine": machine(), "asked": asdict(asked)}
    with tempfile.TemporaryDirectory(prefix="asmg-bench-") as folder, contextlib.ExitStack() as stack:
        home = Path(folder)
        metrics = ports(settings_of((), home), 0)["serve-metrics"]
        sets = (
            "stream.partitions=1", "serving.port=0", f"serving.metrics_port={metrics}",
            f"serving.port_file={home / 'port'}", f"serving.workers={asked.workers}", *asked.sets,
        )  # fmt: skip
        settings = settings_of(sets, home)
        attachment = stack.enter_context(Attachment(settings.kafka, home))
        topics = kafka.ensure_topics(attachment.broker, settings.kafka, settings.stream.partitions)
        tell(f"making {asked.variants} models: {asked.shape}")
        store, seed = durable_store(str(home / "store")), settings.stream.seed
        shop = Shop(attachment.broker, topics, store, settings.trainer, asked.shape, seed, asked.variants)
        shop.histories(USERS)
        bodies = home / "bodies"
        bodies.write_text("\n".join(_bodies(asked)))
        load = Load(bodies, "/rank", asked.connections, ",".join(map(str, others)))
        found["forward"] = _forward(shop, asked)
        tell("an empty route of FastAPI")
        with _empty(home, answering[0]) as address:
            found["empty"] = _told(load.run(address, asked.steady))
        tell("serving")
        with _serving(home, sets, attachment.broker["bootstrap.servers"]) as address:
            shop.next()
            _until_served(address, shop.version)
            pids = _place(address, answering, others, os.getpid(), attachment.pid)
            load.run(address, 2)
            found["alone"] = _told(Load(bodies, "/rank", 1, load.cpus).run(address, asked.steady))
            memory = [_memory(pids)]
            rounds = []
            for number in range(asked.rounds):
                tell(f"round {number + 1} of {asked.rounds}")
                steady = load.run(address, asked.steady)
                swapped, served = _swapping(load, address, metrics, shop, asked)
                memory.append(_memory(pids))
                rounds.append({"steady": _told(steady), "swaps": _told(swapped), "served": served})
            found["rounds"], found["memory_mb"] = rounds, memory
            found["state"] = json.loads(ANYBODY.fetch(f"{address}/state"))["requests"]
    found["p99_ratio"] = median(one["swaps"]["p99_ms"] / one["steady"]["p99_ms"] for one in found["rounds"])
    return found


def _bodies(asked: Asked) -> Iterator[str]:
    random = np.random.default_rng(7)
    for _ in range(BODIES):
        some = random.choice(asked.shape.items, asked.candidates, replace=False).tolist()
        yield json.dumps(
            {"user_id": user(int(random.integers(USERS))), "candidates": list(map(item, some)), "k": 10}
        )


def _forward(shop: Shop, asked: Asked) -> dict[str, float]:
    """The model alone, in this process: ids to scores, ms."""
    announced = Announcement(kind="star", version=1, parts=shop._parts[0], parents={})
    with Bundle(fetch_model(shop.store, announced, shop.settings)) as bundle:
        model = Opener(shop.settings, shop.seed).open("star/1", bundle.fd, bundle.spans).model
    random = np.random.default_rng(3)
    spent = []
    with threadpool_limits(1):  # as in a process that answers
        for _ in range(1_000):
            ids = list(map(item, random.integers(0, asked.shape.items, asked.candidates + HISTORY).tolist()))
            began = time.perf_counter()
            model.score(user(1), ids[:HISTORY], ids[HISTORY:])
            spent.append(time.perf_counter() - began)
    p50, p99 = np.percentile(spent[100:], [50, 99]) * 1000
    return {"p50_ms": float(p50), "p99_ms": float(p99)}


def _swapping(load: Load, address: str, metrics: int, shop: Shop, asked: Asked) -> tuple[Latency, int]:
    """Load while models change, and how many of them served."""
    running = load.begin(address, asked.swaps * asked.every + 1)
    before, next_at = _swaps(metrics), time.monotonic()
    for _ in range(asked.swaps):
        next_at += asked.every
        shop.next()
        time.sleep(max(0.0, next_at - time.monotonic()))
    latency = end(running)
    _until_served(address, shop.version)
    return latency, _swaps(metrics) - before


def _swaps(metrics: int) -> int:
    """Models taken into service so far."""
    return int(metric(ANYBODY.fetch(f"http://127.0.0.1:{metrics}/metrics"), "asmg_serving_swaps_total") or 0)


def _told(latency: Latency) -> dict[str, float]:
    return {**asdict(latency), "per_second": latency.per_second}


def _memory(pids: list[int]) -> dict[str, float]:
    """Proportional memory of keeper and processes that answer, in MB: what is shared is counted once."""
    return {str(pid): round(psutil.Process(pid).memory_full_info().pss / _MB, 1) for pid in pids}


def _place(address: str, answering: list[int], others: list[int], *more: int | None) -> list[int]:
    """Each process that answers on a CPU of its own, all else on the others; keeper's pid, then theirs."""
    state = json.loads(ANYBODY.fetch(f"{address}/state"))
    pids = [one["pid"] for one in state["processes"]]
    keeper = psutil.Process(pids[0]).ppid()
    for pid, cpu in zip(pids, answering, strict=True):
        _pin(pid, [cpu])
    for pid in (keeper, *filter(None, more)):
        _pin(pid, others)
    return [keeper, *pids]


def _pin(pid: int, cpus: list[int]) -> None:
    for thread in psutil.Process(pid).threads():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(thread.id, cpus)


def _cpus(workers: int) -> tuple[list[int], list[int]]:
    """CPUs of those that answer, and those of all else."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) <= workers:
        raise AsmgError(
            f"{workers} processes that answer need a CPU each and one besides; there are {len(cpus)}"
        )
    return cpus[:workers], cpus[workers:]


@contextlib.contextmanager
def _serving(home: Path, sets: tuple[str, ...], bootstrap: object) -> Iterator[str]:
    flags = [part for one in (f"kafka.bootstrap={bootstrap}", *sets) for part in ("--set", one)]
    command = [sys.executable, "-m", "asmg", "serve", "--home", str(home), *flags]
    with (home / "serve.log").open("w") as log:
        running = subprocess.Popen(command, stderr=log)
    try:
        yield f"http://127.0.0.1:{_port(home / 'port', running)}"
    finally:
        running.terminate()
        running.wait()


@contextlib.contextmanager
def _empty(home: Path, cpu: int) -> Iterator[str]:
    file = home / "empty-port"
    running = subprocess.Popen([sys.executable, "-m", "bench.serving.empty", str(file), str(cpu)])
    try:
        yield f"http://127.0.0.1:{_port(file, running)}"
    finally:
        running.terminate()
        running.wait()


def _port(file: Path, running: subprocess.Popen[Any]) -> int:
    deadline = time.monotonic() + PATIENCE
    while not (file.exists() and file.read_text().strip()):
        if running.poll() is not None or time.monotonic() > deadline:
            raise AsmgError(f"no server has come up: {running.args!r}")
        time.sleep(0.05)
    return int(file.read_text())


def _until_served(address: str, version: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        state = json.loads(ANYBODY.fetch(f"{address}/state"))
        if state["serving"] and state["serving"]["version"] == version:
            return
        if time.monotonic() > deadline:
            raise AsmgError(f"version {version} does not serve: {state['health']['sentence']}")
        time.sleep(0.02)
