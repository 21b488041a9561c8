"""A shop's producer, and the loop's four workers as processes beside it."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
from waiting import until

from stream import kafka
from stream.replay.encode import partition_of
from stream.topics import Topics

#: Seconds within which a newer model has to answer, beside other tests on two cores.
DEADLINE = 60.0

#: Impressions a period.
PERIOD = 400

SETTINGS = {
    "ASMG_STREAM_PERIOD_COUNT": str(PERIOD),
    "ASMG_STREAM_LATENESS": "1s",
    "ASMG_STREAM_WINDOW": "10s",
    "ASMG_STREAM_IDLE_AFTER": "500ms",
    "ASMG_TRAINER_BATCH": "64",
    "ASMG_METAGEN_TAU": "1",
    "ASMG_METAGEN_K": "1",
    "ASMG_SERVING_PORT": "0",
    "OTEL_BSP_SCHEDULE_DELAY": "200",
} | {f"ASMG_{worker}_METRICS_PORT": "0" for worker in ("STREAM", "TRAINER", "METAGEN", "SERVING")}


@contextmanager
def at_work_on(bootstrap: str, home: Path, **told: str) -> Iterator[tuple["Shop", str]]:
    """A shop's producer, and the address of the API, while the four workers run.

    told: what their environment says besides.
    """
    prefix, port = f"test-loop-{uuid.uuid4().hex[:8]}.", home / "port"
    told |= {
        "ASMG_KAFKA_BOOTSTRAP": bootstrap,
        "ASMG_KAFKA_PREFIX": prefix,
        "ASMG_HOME": str(home),
        "ASMG_SERVING_PORT_FILE": str(port),
    }
    running = [
        subprocess.Popen([sys.executable, "-m", "asmg", worker], env=os.environ | SETTINGS | told)
        for worker in ("window", "train", "metagen", "serve")
    ]
    try:
        until(port.exists)
        yield Shop(bootstrap, Topics(prefix)), f"http://127.0.0.1:{int(port.read_text())}"
        assert [one.poll() for one in running] == [None] * 4
        for one in running:
            one.terminate()
        assert [one.wait(DEADLINE) for one in running] == [0] * 4
    finally:
        for one in running:
            one.kill()
            one.wait()


class Shop:
    """Shows items to users, a slate a second, and sends what they click."""

    def __init__(self, bootstrap: str, topics: Topics) -> None:
        self.broker, self.topics = {"bootstrap.servers": bootstrap}, topics
        self.writer = kafka.Writer(self.broker)
        self.shown, self.ts = 0, 1_700_000_000_000

    def open_for(self, impressions: int) -> None:
        """Sends that many impressions, and clicks on some: users like items of their own parity."""
        random, events = np.random.default_rng(self.shown), []
        for _ in range(impressions):
            user, item = int(random.integers(0, 30)), int(random.integers(0, 50))
            self.ts, self.shown = self.ts + 1000, self.shown + 1
            shown = {"impression_id": f"p{self.shown}", "user_id": f"u{user}", "item_id": f"i{item}"}
            events.append({"type": "impression", **shown, "ts": self.ts})
            if random.random() < (0.6 if user % 2 == item % 2 else 0.1):
                events.append({"type": "click", **shown, "ts": self.ts + 700})
        places = partition_of(pa.array([one["user_id"] for one in events]), 4).tolist()
        for one, place in zip(events, places, strict=True):
            key = one["user_id"].encode()
            self.writer.write(self.topics.events, json.dumps(one).encode(), key=key, partition=place)
        self.writer.flush()


def version(address: str) -> int:
    serving = httpx.get(f"{address}/version").json()["serving"]
    return serving["version"] if serving else 0
