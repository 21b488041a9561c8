"""Which Kafka a command speaks to: the user's own, an embedded one that runs, or one it starts itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stream import kafka
from stream.broker.embedded import EmbeddedKafka
from stream.settings import KafkaSettings


@contextmanager
def attached(settings: KafkaSettings, home: Path) -> Iterator[dict[str, object]]:
    """librdkafka's settings for the Kafka to speak to, which answers while the context lasts.

    Without `kafka.bootstrap` it is the embedded one in `home`/kafka: whoever comes first runs it and stops it
    at the end, the others find it running. Raises: BrokerError: it does not start.
    """
    if settings.bootstrap:
        yield kafka.broker(settings, settings.bootstrap)
        return
    node = EmbeddedKafka(home / "kafka")
    if node.running:
        yield kafka.broker(settings, node.bootstrap)
        return
    with node:
        yield kafka.broker(settings, node.bootstrap)
