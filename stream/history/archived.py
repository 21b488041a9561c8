"""History from an archive: the samples of another prefix's periods, told as windowing tells of events.

An archive holds samples, not events: what was open when its last period closed (impressions that nobody had
clicked yet) is not in it, and labels are those of the attribution window it was made with. Users' histories
are exact. Samples of users who were forgotten are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from stream import kafka
from stream.archive.index import ArchiveLog
from stream.archive.rows import samples_of
from stream.close.manifests import Manifests
from stream.close.read import checked
from stream.errors import ConfigurationError, CorruptRecord, DataError, GapError, StoreError
from stream.forgotten import of_nobody, without
from stream.history.steps import Steps, Told
from stream.records import Archived, Manifest, decode
from stream.replay.encode import partition_of
from stream.samples import HISTORY, Samples
from stream.store import Store
from stream.topics import Topics
from stream.window.partition import Partition, Step


@dataclass(frozen=True)
class Archive:
    """The periods that were archived under a prefix, oldest first."""

    periods: Sequence[tuple[Manifest, Archived]]
    store: Store
    forgotten: frozenset[str] = frozenset()  # digests of users who were forgotten in any of its periods

    @classmethod
    def of(cls, broker: Mapping[str, object], topics: Topics, store: Store) -> Archive:
        """What the topics say. Raises: BrokerError; ConfigurationError: there is no archive; GapError."""
        client, manifests = kafka.consumer(broker, wait=10), Manifests()
        try:
            for name in (topics.periods, topics.archive):
                if not kafka.is_there(client, name):
                    raise ConfigurationError(f"there is no topic {name}: name the kafka.prefix of an archive")
            index = ArchiveLog(topics.archive).all(client)
            low, end = kafka.offsets(client, topics.periods, 0)
            for message in kafka.between(client, topics.periods, 0, low, end):
                with suppress(CorruptRecord):  # as whoever follows the topic passes it over
                    manifests.take(decode(Manifest, message.value()))
        finally:
            client.close()
        wanted = [one for one in manifests if one.has_samples]
        if not index or not wanted:
            raise ConfigurationError(f"nothing is archived under {topics.prefix}*: `asmg archive` does that")
        last = max(index)
        lacking = [one.period for one in wanted if one.period <= last and one.period not in index]
        if lacking:
            raise GapError(
                f"period {lacking[0]} of {topics.prefix}* is not in its archive, and later ones are: "
                "run `asmg archive` there while Kafka has its samples"
            )
        forgotten = frozenset(digest for one in manifests for digest in one.forget)
        return cls([(one, index[one.period]) for one in wanted if one.period <= last], store, forgotten)

    def until_its_end(self) -> Steps:
        """The periods' samples one after the other, then the watermark behind the last of them."""

        def told(states: Sequence[Partition]) -> Iterator[Told]:
            for done, (manifest, record) in enumerate(self.periods, start=1):
                assert manifest.cut is not None
                samples, decided = self._samples(manifest, record), manifest.cut[0]
                at = decided + (done == len(self.periods))  # more may have been decided in the last ms
                place = partition_of(samples.users, len(states))[samples.user]
                for partition, state in enumerate(states):
                    mine = samples.take(np.flatnonzero(place == partition)).compact()
                    yield done / len(self.periods), partition, adopt(state, mine, at)

        return told

    def _samples(self, manifest: Manifest, record: Archived) -> Samples:
        """D_t in Order. Raises: DataError: what the store has is not what the period was."""
        period, mend = manifest.period, "restore the part from a backup"
        try:
            samples = checked(samples_of(self.store.get(record.part)), manifest, record.forgotten)
        except (StoreError, CorruptRecord) as error:
            raise DataError(f"archived period {period} cannot be used: {error}; {mend}") from error
        samples = without(samples, self.forgotten)
        theirs = of_nobody(samples)
        return samples.take(np.flatnonzero(~theirs)).compact() if theirs.any() else samples


def adopt(state: Partition, samples: Samples, watermark: int) -> Step:
    """Samples of a partition, in Order, that were windowed elsewhere become those of `state`."""
    n, first = len(samples), state.number
    state.number, state.watermark = first + n, watermark
    state.counts.used += n
    state.counts.produced += n
    positives = np.flatnonzero(samples.label == 1)
    users = state.users.of(samples.users.to_pylist())[samples.user[positives]].astype(np.int64)
    items = state.items.of(samples.items.to_pylist())[samples.item[positives]]
    pasts = state.pasts
    pasts.reserve(len(state.users))
    for user, item, ts in zip(
        users.tolist(), items.tolist(), samples.decided_at[positives].tolist(), strict=True
    ):
        place = pasts.count[user] % HISTORY
        pasts.item[user, place], pasts.ts[user, place] = item, ts
        pasts.count[user] += 1
    numbered = replace(samples, number=np.arange(first, first + n))
    return Step(numbered, watermark, state.ends, [], state.histories(users), [])
