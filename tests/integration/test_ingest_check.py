"""`asmg check` on real topics with foreign names: what it says, what it proposes, and that this works."""

import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from waiting import until

from stream import kafka
from stream.settings import KafkaSettings

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


@pytest.fixture
def topics(bootstrap: str) -> tuple[str, str]:
    """Impressions and clicks of a shop that has names of its own; a tenth of the clicks has no user."""
    prefix = f"check-{uuid.uuid4().hex[:8]}"
    seen, taken = f"{prefix}.product-views", f"{prefix}.product-clicks"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic(seen, 3, 1), NewTopic(taken, 2, 1)]).values():
        future.result(20)
    producer, start = Producer({"bootstrap.servers": bootstrap}), int(time.time()) - 3_000
    for n in range(1_000):
        view = {"customer": {"id": f"c{n % 50}"}, "sku": n % 40, "token": f"k{n}", "seen_at": start + n}
        producer.produce(seen, json.dumps(view), partition=n % 3)
        if n % 10 == 0:
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start + n + 3))
            tap = {
                "customer_id": None if n % 100 == 0 else f"c{n % 50}",
                "sku": n % 40,
                "ref": f"k{n}",
                "clicked_at": at,
            }
            producer.produce(taken, json.dumps(tap), partition=n % 2)
    assert producer.flush(20) == 0
    return seen, taken


def asmg(folder: Path, bootstrap: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ASMG_KAFKA_BOOTSTRAP": bootstrap, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "asmg", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_a_mapping_is_proposed_pasted_checked_and_ingested(bootstrap, topics, tmp_path):
    seen, taken = topics
    first = asmg(tmp_path, bootstrap, "check", "--topic", seen, "--topic", taken, "--json")
    assert (first.returncode, first.stderr) == (0, "")
    found = json.loads(first.stdout)
    assert found["usable"]
    assert found["join"]["rate"] == 1.0
    assert found["join"]["delay_ms"]["p99"] == 3_000
    assert found["join"]["window_ms"] == 5_000

    prefix = f"test-check-{uuid.uuid4().hex[:8]}."
    (tmp_path / "asmg.toml").write_text(
        f'[kafka]\nprefix = "{prefix}"\n\n[ingest]\nmetrics_port = 0\n\n{found["proposed"]}\n'
    )
    again = asmg(tmp_path, bootstrap, "check")
    assert again.returncode == 0
    for part in (
        "dropped 10: user: customer_id is null",
        "100.0% of 90 clicks find their impression",
        '[stream] window = "5s"',
        "asmg ingest brings it into events",
    ):
        assert part in again.stdout
    told = json.loads(asmg(tmp_path, bootstrap, "check", "--json").stdout)
    by_topic = {one["topic"]: one for one in told["topics"]}
    assert (by_topic[seen]["impressions"], by_topic[taken]["clicks"]) == (1_000, 90)
    assert by_topic[taken]["reasons"][0]["example"]["value"].startswith('{"customer_id": null')

    environment = {**os.environ, "ASMG_KAFKA_BOOTSTRAP": bootstrap, "PYTHONPATH": str(ROOT)}
    worker = subprocess.Popen([sys.executable, "-m", "asmg", "ingest"], cwd=tmp_path, env=environment)
    broker = {"bootstrap.servers": bootstrap}
    try:
        until(lambda: events(broker, prefix) >= 1_090)
    finally:
        worker.terminate()
        assert worker.wait(30) == 0
    assert events(broker, prefix) == 1_090


def events(broker: dict[str, object], prefix: str) -> int:
    topics = kafka.ensure_topics(broker, KafkaSettings(prefix=prefix), 4)
    client = kafka.consumer(broker, wait=10)
    try:
        found = 0
        for partition in range(4):
            span = kafka.offsets(client, topics.events, partition)
            held = kafka.between(client, topics.events, partition, *span)
            found += sum(one.key() is not None for one in held)
        return found
    finally:
        client.close()


def test_topics_in_which_nothing_is_usable_end_with_a_status_of_one(bootstrap, tmp_path):
    topic = f"check-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic(topic, 1, 1)]).values():
        future.result(20)
    empty = asmg(tmp_path, bootstrap, "check", "--topic", topic)
    assert empty.returncode == 1
    assert f"{topic}: not understood: it holds no record" in empty.stdout
    producer = Producer({"bootstrap.servers": bootstrap})
    for _ in range(20):
        producer.produce(topic, b"\0\0\0\0\7avro")
    assert producer.flush(20) == 0
    framed = asmg(tmp_path, bootstrap, "check", "--topic", topic)
    assert framed.returncode == 1
    assert "it looks like Avro: set ingest.registry to the URL of the schema registry" in framed.stdout
    absent = asmg(tmp_path, bootstrap, "check", "--topic", f"{topic}-absent")
    assert (absent.returncode, absent.stderr.count("\n")) == (1, 1)
    assert f"there is no topic {topic}-absent: mend --topic, or kafka.bootstrap" in absent.stderr
