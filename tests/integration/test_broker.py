"""The embedded Kafka: shared by those who find it, unharmed by a kill, its own folder's only node."""

from pathlib import Path

import pytest

from asmg.broker import attached
from stream import kafka
from stream.broker.embedded import EmbeddedKafka
from stream.errors import BrokerError
from stream.settings import KafkaSettings

pytestmark = pytest.mark.integration


def test_a_killed_node_comes_back_at_its_address_with_what_was_acknowledged(tmp_path: Path) -> None:
    settings, node = KafkaSettings(), EmbeddedKafka(tmp_path)
    with node:
        address = kafka.broker(settings, node.bootstrap)
        topics = kafka.ensure_topics(address, settings, 1)
        writer = kafka.Writer(address)
        writer.write(topics.periods, b"kept")
        writer.flush()
        node.kill()
        assert not node.running
        assert node.start().bootstrap == address["bootstrap.servers"]
        follower = kafka.Follower(address, {(topics.periods, 0): 0})
        assert [message.value() for message in follower.poll(15.0)] == [b"kept"]
        follower.close()


def test_the_second_to_come_finds_the_node_running(tmp_path: Path) -> None:
    with attached(KafkaSettings(), tmp_path) as first, attached(KafkaSettings(), tmp_path) as second:
        assert first == second
        with pytest.raises(BrokerError, match="another process"):
            EmbeddedKafka(tmp_path / "kafka").start()
    assert not EmbeddedKafka(tmp_path / "kafka").running


def test_a_kafka_of_ones_own_is_left_alone(tmp_path: Path) -> None:
    with attached(KafkaSettings(bootstrap="there:9092"), tmp_path) as address:
        assert address == {"bootstrap.servers": "there:9092"}
    assert list(tmp_path.iterdir()) == []
