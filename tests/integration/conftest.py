"""A real Kafka for the integration tests: yours by ASMG_KAFKA_BOOTSTRAP, the embedded one otherwise."""

import os
from collections.abc import Iterator

import pytest

from stream.broker.embedded import EmbeddedKafka
from stream.errors import BrokerError


@pytest.fixture(scope="session")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a Kafka that is running; skips where none can be started, fails in CI."""
    if address := os.environ.get("ASMG_KAFKA_BOOTSTRAP"):
        yield address
        return
    try:
        kafka = EmbeddedKafka(tmp_path_factory.mktemp("kafka")).start()
    except BrokerError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    yield kafka.bootstrap
    kafka.stop()
