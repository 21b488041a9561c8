"""The foreign Kafka: its topics, where in them to begin, and what decodes and maps their records."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Consumer

from stream import kafka
from stream.errors import ConfigurationError
from stream.ingest import mapping
from stream.ingest.decode import Decode, decode_json
from stream.ingest.marks import Place
from stream.ingest.paths import Record
from stream.settings import IngestSettings, SourceSettings


def foreign(settings: IngestSettings, ours: Mapping[str, object]) -> dict[str, object]:
    """librdkafka's settings for the Kafka with the foreign topics."""
    if not settings.bootstrap:
        return {**ours, **settings.options}
    return {**settings.options, "bootstrap.servers": settings.bootstrap}


def by_topic(settings: IngestSettings) -> dict[str, list[SourceSettings]]:
    """The tables of each topic. Raises: ConfigurationError: there is none."""
    found: dict[str, list[SourceSettings]] = {}
    for one in settings.sources:
        found.setdefault(one.topic, []).append(one)
    if not found:
        raise ConfigurationError(
            "ingest.sources is empty: `asmg check --topic NAME` proposes a [[ingest.sources]] for asmg.toml"
        )
    return found


def decoders(settings: IngestSettings) -> dict[str, Decode]:
    """What decodes the values of each topic."""
    formats = {one.topic: one.format for one in settings.sources}
    made: dict[str, Decode] = {"json": decode_json}
    if "avro" in formats.values():
        from stream.ingest.registry import (
            AvroDecode,
        )  # its libraries take a moment, for which JSON need not wait

        made["avro"] = AvroDecode(settings.registry)
    return {topic: made[name] for topic, name in formats.items()}


def mappings(settings: IngestSettings) -> dict[str, mapping.Mapping]:
    """What makes events of the records of each topic."""
    return {topic: mapping.Mapping(tables) for topic, tables in by_topic(settings).items()}


def require_topic(client: Consumer, topic: str, named_by: str = "ingest.sources") -> None:
    """Raises: ConfigurationError: there is no such topic, and what named it is told; BrokerError."""
    if not kafka.is_there(client, topic):
        raise ConfigurationError(
            f"there is no topic {topic}: mend {named_by}, or kafka.bootstrap, or ingest.bootstrap"
        )


def first_offset(client: Consumer, place: Place, start: str) -> int:
    """The offset that a source partition is first read from. Raises: BrokerError."""
    low, end = kafka.offsets(client, *place)
    if start == "earliest":
        return low
    return end if start == "latest" else max(low, kafka.offset_since(client, *place, _ms(start)))


def record_of(message: Any, value: Any) -> Record:
    """A message of the foreign Kafka, whose value is decoded."""
    kind, at = message.timestamp()
    return Record(value, message.key(), message.headers() or (), at if kind else None)


def _ms(start: str) -> int:
    moment = datetime.fromisoformat(start)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
