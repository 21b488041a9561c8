"""A small shop's models on a Kafka, and `asmg serve` as a process of its own over them."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from waiting import until

from bench.serving.models import Shape, Shop
from stream import kafka
from stream.settings import KafkaSettings
from stream.store import ParquetStore
from trainer.settings import TrainerSettings

SHAPE = Shape(users=300, items=500, categories=20)


@dataclass
class Serving:
    """The process, and where it answers."""

    process: subprocess.Popen[bytes]
    address: str

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = httpx.get(f"{self.address}/state").json()
        return state

    def pids(self) -> list[int]:
        return [one["pid"] for one in self.state()["processes"]]

    def served(self) -> int:
        """The version that every process has, 0 where they differ or have none."""
        versions = {one["version"] for one in self.state()["processes"]}
        return versions.pop() or 0 if len(versions) == 1 else 0

    def until_served(self, version: int) -> None:
        until(lambda: self.served() == version)


def shop_on(bootstrap: str, folder: Path) -> Shop:
    """Topics of their own, one partition each, and a store with three models."""
    settings = KafkaSettings(prefix=f"{uuid.uuid4().hex}.")
    broker = kafka.broker(settings, bootstrap)
    topics = kafka.ensure_topics(broker, settings, 1)
    return Shop(broker, topics, ParquetStore(folder / "store"), TrainerSettings(), SHAPE, 0, 3)


@contextmanager
def serving_of(shop: Shop, bootstrap: str, folder: Path, *sets: str) -> Iterator[Serving]:
    """Serving of a shop, which answers once this is entered."""
    port = folder / "port"
    told = (
        f"kafka.bootstrap={bootstrap}", f"kafka.prefix={shop.topics.prefix}", "stream.partitions=1",
        "serving.port=0", "serving.metrics_port=0", f"serving.port_file={port}", *sets,
    )  # fmt: skip
    flags = [part for one in told for part in ("--set", one)]
    process = subprocess.Popen([sys.executable, "-m", "asmg", "serve", "--home", str(folder), *flags])
    try:
        until(port.exists)
        yield Serving(process, f"http://127.0.0.1:{port.read_text().strip()}")
    finally:
        process.kill()
        process.wait()
