"""A topic of events without ticks, as other frameworks read it."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka.admin import AdminClient, NewTopic

from stream import kafka
from stream.replay import Source
from stream.replay.encode import Encoder

#: Events encoded at a time.
_CHUNK = 8192


def fill(broker: Mapping[str, object], topic: str, partitions: int, source: Source, events: int) -> None:
    """Makes the topic and writes the first events of the source into it, each to its user's partition."""
    admin = AdminClient({**broker, "log_level": 2})
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result()
    encoder, writer = Encoder(source.events), kafka.Writer(broker)
    place = encoder.partitions(partitions).tolist()
    for start in range(0, events, _CHUNK):
        for key, value, row in encoder.encode(start, min(start + _CHUNK, events)):
            writer.write(topic, value, key=key, partition=place[row])
    writer.flush()
