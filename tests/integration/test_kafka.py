"""Topics, writing and following against a real Kafka."""

import time
import uuid

import pytest

from stream import kafka
from stream.errors import BrokerError, ConfigurationError
from stream.settings import KafkaSettings

pytestmark = pytest.mark.integration


@pytest.fixture
def settings() -> KafkaSettings:
    return KafkaSettings(prefix=f"{uuid.uuid4().hex}.")


def test_topics_are_made_once_and_found_afterwards(bootstrap: str, settings: KafkaSettings) -> None:
    address = kafka.broker(settings, bootstrap)
    assert kafka.ensure_topics(address, settings, 2) == kafka.ensure_topics(address, settings, 2)


def test_a_topic_with_other_partitions_is_named(bootstrap: str, settings: KafkaSettings) -> None:
    address = kafka.broker(settings, bootstrap)
    kafka.ensure_topics(address, settings, 2)
    with pytest.raises(ConfigurationError, match=r"events has 2 partitions, the settings ask for 4"):
        kafka.ensure_topics(address, settings, 4)


def test_what_is_written_is_followed_in_order(bootstrap: str, settings: KafkaSettings) -> None:
    address = kafka.broker(settings, bootstrap)
    topics = kafka.ensure_topics(address, settings, 2)
    writer = kafka.Writer(address)
    for number in range(5_000):
        writer.write(topics.samples, str(number).encode(), partition=1, headers=[("first", b"x")])
    writer.flush()
    follower = kafka.Follower(address, {(topics.samples, 1): 1_000, (topics.samples, 0): 0})
    found, deadline = [], time.monotonic() + 30
    while not follower.caught_up and time.monotonic() < deadline:
        found += follower.poll(0.1)
    follower.close()
    assert [int(message.value()) for message in found] == list(range(1_000, 5_000))
    assert kafka.header(found[0], "first") == b"x"
    assert kafka.header(found[0], "schema") == b"1"


def test_a_broker_that_is_not_there_is_named(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "ANSWER", 1.0)
    with pytest.raises(BrokerError, match=r"no Kafka answers at 127\.0\.0\.1:9"):
        kafka.ensure_topics(kafka.broker(settings, "127.0.0.1:9"), settings, 1)
