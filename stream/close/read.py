"""D_t as a manifest names it, read back from `samples` or, where Kafka has forgotten it, from the archive."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stream import kafka
from stream.archive.index import ArchiveLog
from stream.archive.rows import samples_of
from stream.close.batches import Batch, read_batch
from stream.errors import BrokerError, CorruptArtefact, CorruptRecord, GapError, MissingArtefact
from stream.forgotten import nobodys, without
from stream.records import Manifest
from stream.samples import Samples, hash_of
from stream.store import Store
from stream.topics import Topics


class PeriodReader:
    """Reads periods one after the other. Without a store it knows of no archive.

    Kafka is asked first and the archive only where that fails, so the archive costs nothing while there is no
    need of it; what comes from either is held against the manifest's hash. The samples of those whom the
    manifest forgets are nobody's then, with their places kept (`stream.forgotten`).
    """

    def __init__(self, broker: Mapping[str, object], topics: Topics, store: Store | None = None) -> None:
        self._broker, self._consumer = broker, kafka.consumer(broker, wait=10)
        self._topic, self._store = topics.samples, store
        self._archive = ArchiveLog(topics.archive)

    def __call__(self, manifest: Manifest) -> Samples:
        """D_t in Order.

        Raises: GapError: neither Kafka nor the archive has all of it; CorruptRecord: what Kafka has is not
        what the manifest hashed, and the archive does not have it; BrokerError; StoreError: the store fails.
        """
        try:
            return without(checked(self._from_kafka(manifest), manifest), manifest.forget)
        except (BrokerError, GapError, CorruptRecord) as error:
            self._consumer.close()  # what it still has to say of this period would be taken for the next
            self._consumer = kafka.consumer(self._broker, wait=10)
            lacking = self._forgotten(manifest)
            if lacking is None and isinstance(error, BrokerError):
                raise
            return self._from_archive(manifest, error, lacking)

    def close(self) -> None:
        """Leave."""
        self._consumer.close()

    def _from_kafka(self, manifest: Manifest) -> Samples:
        wanted = {int(partition): span for partition, span in manifest.at.items()}
        records = kafka.spans(self._consumer, self._topic, wanted)
        parts = []
        for partition, (first, stop) in manifest.samples.items():
            batches = [read_batch(one) for one in records[int(partition)]]
            parts.append(_numbered(batches, first, stop, manifest))
        samples = Samples.concat(parts)
        return samples.take(samples.in_order())

    def _forgotten(self, manifest: Manifest) -> str | None:
        """Which offsets the period needs and Kafka does not have; None where it has them all."""
        for partition, (begin, end) in manifest.at.items():
            low, high = kafka.offsets(self._consumer, self._topic, int(partition))
            if begin < end and not low <= begin < end <= high:
                return (
                    f"its samples are at offsets {begin} to {end - 1} of topic {self._topic}, partition "
                    f"{partition}, and Kafka has those from {low} to {high - 1}"
                )
        return None

    def _from_archive(self, manifest: Manifest, error: Exception, lacking: str | None) -> Samples:
        """Raises: the error, where Kafka has the offsets and nothing is archived; GapError; StoreError."""
        record = self._archive.of(self._consumer, manifest.period) if self._store is not None else None
        if record is None or self._store is None:
            if lacking is None:
                raise error
            raise GapError(
                f"period {manifest.period} is neither in Kafka nor in the archive: {lacking}; restore the "
                "topic from a backup (`asmg archive` keeps every period that closes while it runs)"
            ) from error
        try:
            samples = samples_of(self._store.get(record.part))
            return without(checked(samples, manifest, record.forgotten), manifest.forget)
        except (MissingArtefact, CorruptArtefact, CorruptRecord) as failed:
            raise GapError(
                f"period {manifest.period} is neither in Kafka nor in the archive: {lacking or error}; "
                f"its archived part: {failed}; restore the part from a backup"
            ) from failed


def checked(samples: Samples, manifest: Manifest, forgotten: int = 0) -> Samples:
    """The samples. Where the archive has forgotten users there is no hash left to hold them against but the
    one that names their part: then they must be as many as they were, and as many nobody's as it says.

    Raises: CorruptRecord: they are not the period's.
    """
    if forgotten:
        if (len(samples), nobodys(samples)) != (manifest.count, forgotten):
            raise CorruptRecord(
                f"of the {manifest.count} samples of period {manifest.period} {forgotten} are said to be "
                f"forgotten; there are {len(samples)}, {nobodys(samples)} of them nobody's"
            )
    elif hash_of(samples.row_hash) != manifest.sha256:
        raise CorruptRecord(f"the samples of period {manifest.period} are not those its manifest hashed")
    return samples


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
