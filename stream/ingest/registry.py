"""Avro with a schema registry: confluent-kafka's own deserialiser, and whose fault it is where it fails."""

from __future__ import annotations

import os
from typing import Any

from confluent_kafka.schema_registry import SchemaRegistryClient, topic_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from stream.errors import BrokerError
from stream.ingest.values import Unmappable
from stream.window.log import LONGEST_REASON

#: The registry's user and password: from the environment, and from nowhere else.
USERNAME, PASSWORD = "ASMG_REGISTRY_USERNAME", "ASMG_REGISTRY_PASSWORD"

#: Seconds a registry may take to answer.
ANSWER = 10.0


class AvroDecode:
    """A `Decode` of Avro in Confluent's framing; schemas are asked for once each."""

    def __init__(self, registry: str) -> None:
        settings: dict[str, Any] = {"url": registry, "timeout": ANSWER}
        if user := os.environ.get(USERNAME):
            settings["basic.auth.user.info"] = f"{user}:{os.environ.get(PASSWORD, '')}"
        self._registry = registry
        self._client = SchemaRegistryClient(settings)
        self._decode = AvroDeserializer(
            self._client, conf={"subject.name.strategy": topic_subject_name_strategy}
        )

    def __call__(self, topic: str, value: bytes | None) -> Any:
        """Raises: Unmappable: it is no Avro, or of a schema that there is not; BrokerError: no registry."""
        if not value:
            raise Unmappable("the record is empty")
        if value[0] not in (0, 1):
            raise Unmappable(
                "not Avro as a schema registry frames it (its first byte is not 0); is format json?"
            )
        try:
            return self._decode(value, SerializationContext(topic, MessageField.VALUE))
        except SchemaRegistryError as error:
            if error.http_status_code == 404:
                raise Unmappable(f"the registry does not know its schema: {error.error_message}") from None
            raise BrokerError(
                f"the schema registry at {self._registry} refuses: {self._refused(error)}"
            ) from None
        except OSError as error:
            raise self._away(error) from error
        except Exception as error:
            if type(error).__module__.partition(".")[0].startswith(("httpx", "httpcore")):
                raise self._away(error) from error
            said = " ".join(str(error).split()) or type(error).__name__
            raise Unmappable(f"not Avro of its schema: {said}"[:LONGEST_REASON]) from None

    def _away(self, error: Exception) -> BrokerError:
        said = " ".join(str(error).split()) or type(error).__name__
        return BrokerError(
            f"no schema registry answers at {self._registry}: {said}; is ingest.registry right?"
        )

    def _refused(self, error: SchemaRegistryError) -> str:
        if error.http_status_code in (401, 403):
            return f"status {error.http_status_code}; set {USERNAME} and {PASSWORD} in the environment"
        return f"status {error.http_status_code}, {' '.join(str(error.error_message).split())}"
