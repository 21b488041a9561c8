"""What runs here, or ran: where its Kafka, its topics and its store are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, KafkaException

from asmg.broker import attached, require_answer
from asmg.config import Settings
from asmg.home import recall
from stream import kafka
from stream.errors import BrokerError, ConfigurationError
from stream.topics import Topics


@contextmanager
def running(settings: Settings) -> Iterator[tuple[Settings, dict[str, object], Topics, Consumer]]:
    """Settings, librdkafka's, topics, and a consumer; an embedded Kafka is started where it is down.

    Raises: ConfigurationError: nothing ran here; BrokerError.
    """
    settings = located(settings)
    with attached(settings.kafka, settings.home) as broker:
        require_answer(broker)
        topics = Topics(settings.kafka.prefix)
        client = kafka.consumer(broker, wait=10)
        try:
            _require_topics(client, topics)
            yield settings, broker, topics, client
        finally:
            client.close()


def located(settings: Settings) -> Settings:
    """The settings of what runs or ran: those given, or those of the demo below their home.

    Raises: ConfigurationError: there is neither.
    """
    home = settings.home
    if not settings.kafka.bootstrap and not (home / "kafka").is_dir():
        home = home / "demo"
        if not (home / "kafka").is_dir():
            raise ConfigurationError(
                f"nothing ever ran in {settings.home}; name a --home or set kafka.bootstrap"
            )
    told = recall(home)
    prefix = told.prefix if told is not None and told.prefix else settings.kafka.prefix
    kafka_settings = settings.kafka.model_copy(update={"prefix": prefix})
    return settings.model_copy(update={"home": home, "kafka": kafka_settings})


def _require_topics(client: Consumer, topics: Topics) -> None:
    try:
        there = client.list_topics(timeout=kafka.ANSWER).topics
    except KafkaException as error:
        raise BrokerError(f"Kafka does not answer: {kafka.said(error.args[0])}") from error
    missing = {topics.events, topics.samples, topics.periods, topics.models, topics.serve} - there.keys()
    if missing:
        raise ConfigurationError(f"there are no topics {topics.prefix}…: nothing ran here under kafka.prefix")
