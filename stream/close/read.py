"""D_t as a manifest names it, read back from `samples`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stream import kafka
from stream.close.batches import Batch, read_batch
from stream.errors import CorruptRecord, GapError
from stream.records import Manifest
from stream.samples import Samples, hash_of
from stream.topics import Topics


class PeriodReader:
    """Reads periods one after the other."""

    def __init__(self, broker: Mapping[str, object], topics: Topics) -> None:
        self._consumer = kafka.consumer(broker, wait=10)
        self._topic = topics.samples

    def __call__(self, manifest: Manifest) -> Samples:
        """D_t in Order.

        Raises: GapError: `samples` lacks some of it; CorruptRecord: it is not what the manifest hashed;
        BrokerError.
        """
        wanted = {int(partition): span for partition, span in manifest.at.items()}
        records = kafka.spans(self._consumer, self._topic, wanted)
        parts = []
        for partition, (first, stop) in manifest.samples.items():
            batches = [read_batch(one) for one in records[int(partition)]]
            parts.append(_numbered(batches, first, stop, manifest))
        samples = Samples.concat(parts)
        samples = samples.take(samples.in_order())
        if hash_of(samples.row_hash) != manifest.sha256:
            raise CorruptRecord(f"the samples of period {manifest.period} are not those its manifest hashed")
        return samples

    def close(self) -> None:
        """Leave."""
        self._consumer.close()


def _numbered(batches: list[Batch], first: int, stop: int, manifest: Manifest) -> Samples:
    """The samples [first, stop) of one partition, each taken from the first batch that brings it."""
    parts, wanted = [], first
    for batch in batches:
        numbers = batch.samples.number
        if len(numbers) and numbers[0] <= wanted:
            rows = np.flatnonzero((numbers >= wanted) & (numbers < stop))
            parts.append(batch.samples.take(rows))
            wanted += len(rows)
    if wanted < stop:
        raise GapError(
            f"period {manifest.period}: samples from number {wanted} on are missing "
            "from where its manifest says they are"
        )
    return Samples.concat(parts)
