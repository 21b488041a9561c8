"""A look at one's own topics before they are ingested: what is understood or dropped; a mapping proposed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from confluent_kafka import Consumer

from asmg import report
from asmg.broker import attached, require_answer
from asmg.check_screen import drawn
from asmg.config import Settings
from stream import kafka
from stream.errors import ConfigurationError
from stream.ingest import source
from stream.ingest.decode import decode_json
from stream.ingest.findings import Looked, findings
from stream.ingest.guess import propose, toml
from stream.ingest.mapping import Mapping
from stream.ingest.sample import Sample, foreign_topics, raw, sample
from stream.settings import IngestSettings, SourceSettings

#: Topics looked at where none is named.
MOST_TOPICS = 20

#: Exit status where nothing is usable.
UNUSABLE = 1


def check(settings: Settings, topics: Sequence[str], records: int, *, as_json: bool) -> int:
    """Print what ingest would make of the newest records; the exit status. Raises: AsmgError."""
    with _client(settings) as client:
        wanted = list(dict.fromkeys(topics or [one.topic for one in settings.ingest.sources]))
        guessed = not wanted
        wanted = wanted or foreign_topics(client, settings.kafka.prefix)[:MOST_TOPICS]
        if not wanted:
            raise ConfigurationError(
                "there is no topic but ours: write to one, or set kafka.bootstrap, or ingest.bootstrap"
            )
        for topic in wanted:
            source.require_topic(client, topic, "--topic" if topics else "ingest.sources")
        found = _look(client, settings, wanted, records)
    found = {"all_topics": guessed, **found}
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        console = report.console()
        for part in drawn(found):
            console.print(part)
    return 0 if found["usable"] else UNUSABLE


def _look(client: Consumer, settings: Settings, topics: Sequence[str], records: int) -> dict[str, Any]:
    """The findings, with the mapping that was proposed for those that have none. Raises: AsmgError."""
    mapped = {one.topic for one in settings.ingest.sources}
    decoders = source.decoders(settings.ingest)
    samples = {topic: sample(client, topic, records, decoders[topic]) for topic in topics if topic in mapped}
    unmapped = [topic for topic in topics if topic not in mapped]
    formats: dict[str, str] = {}
    for topic in unmapped:
        samples[topic], formats[topic] = _guessed_format(client, settings.ingest, topic, records)
    proposed = propose([samples[topic] for topic in unmapped], formats)
    tables = {
        topic: [one for one in settings.ingest.sources if one.topic == topic]
        or [SourceSettings.model_validate(one) for one in proposed[topic]]
        for topic in topics
    }
    looked = [
        Looked.at(samples[topic], Mapping(tables[topic]), tables[topic][0].time_unit)
        for topic in topics
        if tables[topic]
    ]
    found = findings(looked, settings.stream)
    lost = {topic: _not_understood(samples[topic], formats[topic]) for topic in unmapped if not tables[topic]}
    pasted = [table for topic in unmapped for table in proposed[topic]]
    return found | {"not_understood": lost, "proposed": toml(pasted) if pasted else None}


def _guessed_format(
    client: Consumer, settings: IngestSettings, topic: str, records: int
) -> tuple[Sample, str]:
    """The sample decoded as what its values begin like, and the name of that format. Raises: AsmgError."""
    first = sample(client, topic, min(records, 50), raw)
    framed = sum(one.value is not None and one.value[:1] == b"\0" for one in first.records)
    if first.records and framed > len(first.records) / 2:
        if not settings.registry:
            return first, "avro"
        from stream.ingest.registry import AvroDecode  # as in stream/ingest/source.py

        return sample(client, topic, records, AvroDecode(settings.registry)), "avro"
    return sample(client, topic, records, decode_json), "json"


def _not_understood(one: Sample, form: str) -> str:
    """Why no mapping could be proposed."""
    if not one.records:
        return "it holds no record"
    undecoded = [seen for seen in one.records if seen.reason]
    if form == "avro" and not undecoded and not isinstance(one.records[0].record.value, dict):
        return "it looks like Avro: set ingest.registry to the URL of the schema registry"
    if len(undecoded) > len(one.records) / 2:
        return undecoded[0].reason
    return "no field in it is called as users, items and their impressions are: write its table by hand"


@contextmanager
def _client(settings: Settings) -> Iterator[Consumer]:
    """A consumer of the Kafka with one's own topics. Raises: BrokerError: it does not answer."""
    if settings.ingest.bootstrap:
        foreign = source.foreign(settings.ingest, {})
        require_answer(foreign)
        with closing(kafka.consumer(foreign, wait=10)) as client:
            yield client
        return
    with attached(settings.kafka, settings.home) as broker:
        require_answer(broker)
        with closing(kafka.consumer(source.foreign(settings.ingest, broker), wait=10)) as client:
            yield client
