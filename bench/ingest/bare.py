"""The bare loop: consume all partitions of a topic and decode each record as ingest does, nothing else.

`python -m bench.ingest.bare BOOTSTRAP TOPIC PARTITIONS json|avro REGISTRY` prints what it did as JSON.
"""

from __future__ import annotations

import json
import sys
import time

from confluent_kafka import KafkaError, TopicPartition

from stream import kafka
from stream.ingest.source import decoders
from stream.ingest.worker import PREFETCH, READ
from stream.settings import IngestSettings


def read(bootstrap: str, topic: str, partitions: int, form: str, registry: str) -> dict[str, float]:
    """From the beginning of the partitions to their end: events, seconds, cpu_seconds."""
    table = {"topic": topic, "format": form, "kind": "click", "user": "u", "item": "i", "time": "t"}
    decode = decoders(IngestSettings.model_validate({"sources": [table], "registry": registry}))[topic]
    client = kafka.consumer(
        {"bootstrap.servers": bootstrap, "queued.max.messages.kbytes": PREFETCH}, wait=100
    )
    client.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
    events, at_end, began, cpu = 0, 0, 0.0, 0.0
    while at_end < partitions:
        found = client.consume(READ, kafka.GLANCE)
        for message in found:
            if message.error() is not None:
                at_end += message.error().code() == KafkaError._PARTITION_EOF
            else:
                decode(topic, message.value())
                events += 1
        if found and not began:  # what was fetched, and the schema asked for, before the clock began
            events, began, cpu = 0, time.monotonic(), time.process_time()
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    client.close()
    return {"events": events, "seconds": seconds, "cpu_seconds": cpu}


if __name__ == "__main__":
    print(json.dumps(read(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])))
