"""Three nodes: whichever dies, nothing that was acknowledged is lost and nothing stands still for long."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient, ConfigResource
from waiting import until

from stream import kafka
from stream.broker.cluster import NODES, Cluster
from stream.broker.node import brokers_of
from stream.errors import BrokerError
from stream.settings import KafkaSettings
from stream.topics import Topics

pytestmark = pytest.mark.integration

#: Seconds that writing may stand still when a node dies: Kafka gives one up 9 s after its last sign of life.
STANDSTILL = 25.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield made.start()
    finally:
        made.stop()
        assert made.pids == {}


@pytest.fixture(scope="module")
def topics(cluster: Cluster) -> Topics:
    return kafka.ensure_topics(broker(cluster), KafkaSettings(replication=NODES), 4)


def broker(cluster: Cluster) -> dict[str, object]:
    return kafka.broker(KafkaSettings(), cluster.bootstrap)


class Writing:
    """Writes numbers to a topic, a few milliseconds apart, until it is told to end."""

    def __init__(self, cluster: Cluster, topic: str) -> None:
        self.acknowledged: list[tuple[int, float]] = []  # number, when
        self._topic, self._end = topic, threading.Event()
        self._producer = Producer({**broker(cluster), "enable.idempotence": True, "log_level": 0})
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self) -> None:
        number = 0
        while not self._end.wait(0.005):
            value, partition = b"%d" % number, number % 4
            self._producer.produce(self._topic, value, partition=partition, on_delivery=self._delivered)
            self._producer.poll(0)
            number += 1
        self._producer.flush()

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        assert error is None
        self.acknowledged.append((int(message.value() or b""), time.monotonic()))

    def standstill(self) -> float:
        """Ends writing; the longest time without an acknowledgement, in seconds."""
        self._end.set()
        self._thread.join()
        times = [when for _, when in self.acknowledged]
        return max(after - before for before, after in pairwise(times))


def test_there_are_three_replicas_of_which_two_must_be_in_step(cluster: Cluster, topics: Topics) -> None:
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    for name, topic in admin.list_topics(timeout=10).topics.items():
        if name.startswith(topics.prefix):
            assert {len(one.replicas) for one in topic.partitions.values()} == {NODES}
    resource = ConfigResource(ConfigResource.Type.TOPIC, topics.periods)
    told = admin.describe_configs([resource])[resource].result()
    assert told["min.insync.replicas"].value == "2"


@pytest.mark.parametrize("number", [1, 2, 3])
def test_whichever_node_dies_what_was_acknowledged_is_there_once(
    cluster: Cluster, topics: Topics, number: int
) -> None:
    ends = [kafka.offsets(kafka.consumer(broker(cluster), wait=10), topics.events, p)[1] for p in range(4)]
    asking = kafka.Ends(broker(cluster), topics.events, 4, every=0.1)
    before = until(asking.answer)
    assert [before[partition].offset for partition in range(4)] == ends
    writing = Writing(cluster, topics.events)
    until(lambda: len(writing.acknowledged) > 200)
    cluster.kill(number)
    assert set(cluster.pids) == {1, 2, 3} - {number}
    killed = len(writing.acknowledged)
    until(lambda: len(writing.acknowledged) > killed + 1000)
    after = until(lambda: len(found := asking.answer()) == 4 and found)
    assert all(after[partition].offset > end for partition, end in enumerate(ends))
    assert any(after[partition].epoch > before[partition].epoch for partition in range(4))
    cluster.start()
    assert brokers_of(cluster.address(number)) == [1, 2, 3]
    stood = writing.standstill()
    assert stood < STANDSTILL
    client = kafka.consumer(broker(cluster), wait=10)
    found: list[int] = []
    for partition, begin in enumerate(ends):
        end = kafka.offsets(client, topics.events, partition)[1]
        found += [int(one.value()) for one in kafka.between(client, topics.events, partition, begin, end)]
    client.close()
    assert sorted(found) == sorted(one for one, _ in writing.acknowledged)


def test_it_outlives_the_command_that_starts_it_until_it_is_stopped(cluster: Cluster, tmp_path: Path) -> None:
    def command(*words: str) -> subprocess.CompletedProcess[str]:
        asked = [sys.executable, "-m", "deploy.kafka", *words]
        return subprocess.run(asked, capture_output=True, text=True, check=False, timeout=120)

    assert command("start", str(cluster.home)).stdout.strip() == cluster.bootstrap  # all of them run already
    status = command("status", str(cluster.home))
    assert status.returncode == 0
    told = [int(line.split()[-1]) for line in status.stdout.splitlines()]
    assert told == list(cluster.pids.values())
    nothing = command("status", str(tmp_path))
    assert nothing.returncode == 1
    assert nothing.stderr.strip() == f"deploy.kafka: no Kafka was ever started in {tmp_path}"
    with pytest.raises(BrokerError, match="no Kafka was ever started"):
        Cluster(tmp_path).stop()
