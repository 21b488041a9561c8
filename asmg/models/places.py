"""Where a period's samples lie, in Kafka and in the archive, and the offsets of `events` they go back to."""

from __future__ import annotations

from functools import cache
from typing import Any

from confluent_kafka import Consumer

from stream import kafka
from stream.archive.index import ArchiveLog
from stream.errors import CorruptRecord
from stream.records import Manifest
from stream.store import Store
from stream.topics import Topics


class Places:
    """Asks Kafka and the archive once for each place, however many periods share it."""

    def __init__(self, client: Consumer, topics: Topics, store: Store) -> None:
        self._client, self._store, self._archive = client, store, ArchiveLog(topics.archive)
        topic = topics.samples
        self._low = cache(lambda partition: kafka.offsets(client, topic, partition)[0])
        self._reached = cache(lambda partition, at: _reached(client, topic, partition, at))

    def of(self, manifest: Manifest) -> dict[str, Any]:
        """The period with its places. Raises: BrokerError; CorruptRecord."""
        return {
            "period": f"period/{manifest.period}",
            "reason": manifest.reason,
            "samples": manifest.count,
            "kept": self._kept(manifest),  # kafka, archive, both or neither
            "sha256": manifest.sha256,
            "partitions": {
                partition: {
                    "numbers": list(manifest.samples[partition]),
                    "samples": list(span),
                    "events": self._events(int(partition), *span),
                }
                for partition, span in sorted(manifest.at.items(), key=lambda one: int(one[0]))
            },
        }

    def _kept(self, manifest: Manifest) -> list[str]:
        needed = {int(one): first for one, (first, stop) in manifest.at.items() if first < stop}
        kafka_has = all(self._low(partition) <= first for partition, first in needed.items())
        record = self._archive.of(self._client, manifest.period)
        archive_has = record is not None and self._store.has(record.part)
        return ["kafka"] * kafka_has + ["archive"] * archive_has

    def _events(self, partition: int, first: int, last: int) -> list[int] | None:
        """Of batches [first, last) of a partition of `samples`: the offsets of `events` [from, to) that were
        read while they came; None where Kafka forgot. A period ends where the next begins.

        A sample is decided there; its impression may lie before, by the attribution window at most.
        """
        if first >= last or self._low(partition) > max(first - 1, 0):
            return None
        return [self._reached(partition, first - 1) if first else 0, self._reached(partition, last - 1)]


def _reached(client: Consumer, topic: str, partition: int, at: int) -> int:
    """How far in `events` windowing was when it wrote that record of `samples`."""
    (message,) = kafka.between(client, topic, partition, at, at + 1)
    offset = kafka.header(message, "offset")
    if offset is None:
        raise CorruptRecord(f"topic {topic}, partition {partition}, offset {at} does not say what was read")
    return int(offset)
