"""The live view against a real Kafka, as the process that `asmg live` is."""

import math
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from prometheus_client.parser import text_string_to_metric_families
from waiting import until

from asmg.caller import ANYBODY
from stream import kafka
from stream.broker.embedded import EmbeddedKafka
from stream.broker.node import free_ports
from stream.settings import KafkaSettings, StreamSettings
from stream.store import ParquetStore
from stream.topics import Topics
from stream.window.log import tick
from stream.window.worker import window

pytestmark = pytest.mark.integration

#: Seconds within which each thing has to be told.
DEADLINE = 120.0

#: The event time that the events begin at, in ms.
BEGAN = 1_700_000_000_000

STREAM = StreamSettings(
    partitions=2, period_count=10, metrics_port=0, lateness=1_000, window=60_000, memory=1, idle_after=300
)


class View:
    """`asmg live` as a process, and what it says."""

    def __init__(self, bootstrap: str, topics: Topics, home: Path) -> None:
        (self._port,) = free_ports(1)
        self._environment = {
            **os.environ,
            "ASMG_KAFKA_BOOTSTRAP": bootstrap,
            "ASMG_KAFKA_PREFIX": topics.prefix,
            "ASMG_STREAM_PARTITIONS": str(STREAM.partitions),
            "ASMG_LIVE_METRICS_PORT": str(self._port),
            "ASMG_LIVE_RATES_OVER": "2m",
        }
        self._home = home
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "asmg", "live"], cwd=self._home, env=self._environment
        )

    def says(self, name: str, **labels: str) -> float | None:
        """The value of a metric; None where it is not told."""
        try:
            text = ANYBODY.fetch(f"http://127.0.0.1:{self._port}/metrics")
        except OSError:
            return None
        for family in text_string_to_metric_families(text):
            for one in family.samples:
                if one.name == name and one.labels == labels:
                    return one.value
        return None

    def until_it_says(self, wanted: float, name: str, **labels: str) -> None:
        until(lambda: self.says(name, **labels) == pytest.approx(wanted), DEADLINE)


@pytest.fixture
def topics(bootstrap: str) -> Topics:
    settings = KafkaSettings(prefix=f"test-live-{uuid.uuid4().hex[:8]}.")
    return kafka.ensure_topics({"bootstrap.servers": bootstrap}, settings, STREAM.partitions)


@contextmanager
def shown(bootstrap: str, topics: Topics, home: Path) -> Iterator[View]:
    """The view while the context lasts."""
    view = View(bootstrap, topics, home)
    try:
        yield view
    finally:
        view.process.kill()
        view.process.wait()


@pytest.fixture
def view(bootstrap: str, topics: Topics, tmp_path: Path) -> Iterator[View]:
    with shown(bootstrap, topics, tmp_path) as view:
        yield view


@pytest.fixture
def windowed(bootstrap: str, topics: Topics, tmp_path: Path) -> Iterator[None]:
    """Windowing and closing while the test lasts."""
    stop = threading.Event()
    arguments = ({"bootstrap.servers": bootstrap}, topics, ParquetStore(tmp_path / "store"), STREAM, stop)
    thread = threading.Thread(target=window, args=arguments)
    thread.start()
    yield
    stop.set()
    thread.join()


def period(begin: int, items: str) -> list[bytes]:
    """Ten impressions a second apart; those of the first five are clicked."""
    found = []
    for n, item in enumerate(items):
        ts = BEGAN + begin + n * 1_000
        mine = f'"impression_id":"p{begin}-{n}","user_id":"u{n}","item_id":"{item}"'
        found.append(f'{{"type":"impression",{mine},"ts":{ts}}}'.encode())
        if n < 5:
            found.append(f'{{"type":"click",{mine},"ts":{ts + 1}}}'.encode())
    return found


def send(bootstrap: str, topics: Topics, values: list[bytes | None]) -> None:
    writer = kafka.Writer({"bootstrap.servers": bootstrap})
    for value in values:
        writer.write(topics.events, value)
    writer.flush()


def tell_all(view: View) -> None:
    """Waits until the view tells all there is to tell of what `sent` sends."""
    view.until_it_says(0.5, "asmg_live_click_through")
    view.until_it_says(5 / 11, "asmg_live_item_share", rank="1", item="a")
    view.until_it_says(1, "asmg_live_became", became="late")
    view.until_it_says(3, "asmg_live_became", became="dead")
    view.until_it_says(1, "asmg_live_dead_letters", reason="the record is empty")
    view.until_it_says(1, "asmg_live_dead_letters", reason="future: ts is # ms after Kafka took it")
    view.until_it_says(2, "asmg_live_period")
    # of five positives a a b b c, then a a b d e; and Jensen-Shannon by hand
    before, after = 0.4 * math.log2(4 / 3) + 0.2, 0.2 * math.log2(2 / 3) + 2 * 0.2
    view.until_it_says(math.sqrt((before + after) / 2), "asmg_live_period_drift")
    view.until_it_says(0.4, "asmg_live_period_new_items")
    view.until_it_says(0, "asmg_live_lag_events")


def sent(bootstrap: str, topics: Topics) -> None:
    """Two periods, an event that is late, and three that are dead."""
    late = b'{"type":"click","user_id":"u","item_id":"a","ts":%d}' % (BEGAN + 5_000)
    far = b'{"type":"click","user_id":"u","item_id":"a","ts":%d}' % (9 * BEGAN)
    first, second = period(0, "aabbcxxxxx"), period(100_000, "aabdexxxxx")
    send(bootstrap, topics, [*first, *second, late, far, b"{broken", None, tick(BEGAN + 300_000)])


def test_the_view_tells_what_came_and_how_periods_differ_and_tells_it_again_after_its_death(
    bootstrap, topics, view, windowed
):
    sent(bootstrap, topics)
    tell_all(view)
    for kind, count in (("impression", 20), ("click", 12), ("unusable", 2)):
        view.until_it_says(count / 120, "asmg_live_events_per_second", type=kind)
    view.process.kill()
    view.process.wait()
    view.start()
    tell_all(view)
    view.process.terminate()
    assert view.process.wait(10) == 0
    admin = AdminClient({"bootstrap.servers": bootstrap})
    mine = {name for name in admin.list_topics().topics if name.startswith(topics.prefix)}
    assert mine == set(topics.layout(STREAM.partitions))


def test_the_view_goes_on_when_kafka_was_killed_and_came_back_and_ends_while_it_is_away(tmp_path):
    node = EmbeddedKafka(tmp_path / "kafka").start()
    try:
        settings = KafkaSettings(prefix="shop.")
        topics = kafka.ensure_topics({"bootstrap.servers": node.bootstrap}, settings, STREAM.partitions)
        with shown(node.bootstrap, topics, tmp_path) as view:
            send(node.bootstrap, topics, period(0, "aabbcxxxxx"))
            view.until_it_says(10, "asmg_live_impressions")
            node.kill()
            node.start()
            send(node.bootstrap, topics, period(100_000, "aabdexxxxx"))
            view.until_it_says(20, "asmg_live_impressions")
            view.until_it_says(10, "asmg_live_clicks")
            node.kill()
            view.process.terminate()
            assert view.process.wait(DEADLINE) == 0
    finally:
        node.stop()
