"""Compares a disturbed run with an undisturbed one, from topics and stores alone, and prints the verdict.

verify.py BOOTSTRAP CALM_PREFIX CALM_STORE PREFIX STORE EVENTS KILLS; exit status 1 unless nothing was lost,
nothing counted twice and nothing differs. It shares no process, no memory and no state with either run.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stream import kafka
from stream.close.batches import read_batch
from stream.errors import StoreError
from stream.records import Announcement, Manifest, Serve, Shadow, decode
from stream.samples import Samples, hash_of
from stream.store import ParquetStore
from stream.topics import Topics


@dataclass
class Outcome:
    """What a run came to."""

    events: int = 0  # distinct rows of the source in `events`
    row_hashes: Counter[int] = field(
        default_factory=Counter
    )  # of every sample in a period, as often as it is
    gaps: int = 0  # samples between those of two periods, or that cannot be found
    overlaps: int = 0  # samples that two periods name, or numbers that two batches fill differently
    agreed: dict[str, object] = field(default_factory=dict)  # name -> what any run has to come to
    broken: list[str] = field(default_factory=list)  # what is not what its hash says


class Run:
    """One run's topics and store."""

    def __init__(self, bootstrap: str, prefix: str, store: Path) -> None:
        self._topics, self._store = Topics(prefix), ParquetStore(store)
        self._client = kafka.consumer({"bootstrap.servers": bootstrap}, wait=10)
        self.outcome = Outcome()

    def read(self) -> Outcome:
        """Everything the run wrote."""
        self._events()
        self._periods(self._manifests(), self._samples())
        self._models()
        self._client.close()
        return self.outcome

    def _all(self, topic: str) -> list[list]:
        partitions = range(kafka.partitions_of(self._client, topic))
        spans = {one: kafka.offsets(self._client, topic, one) for one in partitions}
        found = kafka.spans(self._client, topic, spans)
        return [found[one] for one in partitions]

    def _events(self) -> None:
        rows = {
            (kafka.header(one, "source"), kafka.header(one, "row"))
            for records in self._all(self._topics.events)
            for one in records
            if one.key() is not None
        }
        self.outcome.events = len(rows)

    def _samples(self) -> list[Samples]:
        """By partition all samples, each number once; who writes one again has to write the same."""
        whole = []
        for records in self._all(self._topics.samples):
            parts, hashes, upto = [], np.empty(0, np.uint64), 0
            for record in records:
                batch = read_batch(record)
                count = len(batch.samples)
                if batch.first > upto or not count:
                    continue  # of a writer whose earlier batches never arrived: readers pass over it too
                again = hashes[batch.first : batch.first + count]
                known = batch.samples.row_hash[: len(again)]
                self.outcome.overlaps += int(np.count_nonzero(known != again))
                fresh = batch.samples.take(np.arange(len(again), count))
                parts.append(fresh)
                hashes = np.concatenate([hashes, fresh.row_hash])
                upto = len(hashes)
            whole.append(Samples.concat(parts))
        return whole

    def _manifests(self) -> list[Manifest]:
        """The first of each number whose parent is the one before."""
        chain: list[Manifest] = []
        for record in self._all(self._topics.periods)[0]:
            manifest = decode(Manifest, record.value())
            parent = chain[-1].hash() if chain else ""
            if manifest.period == len(chain) and manifest.parent == parent:
                chain.append(manifest)
        return chain[1:]

    def _periods(self, manifests: list[Manifest], partitions: list[Samples]) -> None:
        taken = [0] * len(partitions)
        for manifest in manifests:
            parts = []
            for name, (first, stop) in manifest.samples.items():
                place = int(name)
                self.outcome.gaps += max(0, first - taken[place])
                self.outcome.overlaps += max(0, taken[place] - first)
                self.outcome.gaps += max(0, stop - len(partitions[place]))
                taken[place] = stop
                parts.append(partitions[place].take(np.arange(first, min(stop, len(partitions[place])))))
            d_t = Samples.concat(parts)
            d_t = d_t.take(d_t.in_order())
            self.outcome.row_hashes.update(d_t.row_hash.tolist())
            if hash_of(d_t.row_hash) != manifest.sha256:
                self.outcome.broken.append(f"period {manifest.period}: its samples are not those it hashed")
            self.outcome.agreed[f"period {manifest.period}"] = manifest.hash()
        self.outcome.gaps += sum(
            len(one) - upto for one, upto in zip(partitions, taken, strict=True)
        )  # the stream has ended, so every sample is in a period

    def _models(self) -> None:
        for record in self._all(self._topics.models)[0]:
            model = decode(Announcement, record.value())
            self._model(f"{model.kind}/{model.version}", model)
        for record in self._all(self._topics.shadows)[0]:
            shadow = decode(Shadow, record.value())
            self._model(f"{shadow.name}/{shadow.version}", shadow)
        for record in self._all(self._topics.serve)[0]:
            word = decode(Serve, record.value())
            said = (word.kind, word.version, word.reason)
            self.outcome.agreed.setdefault(f"the gate's word on period {word.period}", said)

    def _model(self, name: str, model: Announcement | Shadow) -> None:
        """The first of each name counts, and its every part has to be what its name says."""
        if name in self.outcome.agreed:
            return
        self.outcome.agreed[name] = (model.hash(), model.score)
        for role, part in model.parts.items():
            self.outcome.agreed[f"{name}: {role}"] = part
            try:
                self._store.get(part)
            except StoreError as error:
                self.outcome.broken.append(f"{name}: {role}: {error}")


def verify(calm: Outcome, disturbed: Outcome, events: int, kills: int) -> tuple[str, list[str]]:
    """The verdict in one line, and what is wrong."""
    missing = calm.row_hashes - disturbed.row_hashes
    twice = disturbed.row_hashes - calm.row_hashes
    lost = events - disturbed.events + disturbed.gaps + missing.total()
    duplicated = disturbed.overlaps + twice.total()
    names = calm.agreed.keys() | disturbed.agreed.keys()
    differing = [name for name in sorted(names) if calm.agreed.get(name) != disturbed.agreed.get(name)]
    wrong = [f"{name} differs" for name in differing] + disturbed.broken + calm.broken
    samples = disturbed.row_hashes.total()
    return (
        f"chaos: events {disturbed.events} samples {samples} kills {kills} "
        f"lost {lost} duplicated {duplicated} differing {len(wrong)}",
        wrong + [f"{lost} lost"] * bool(lost) + [f"{duplicated} duplicated"] * bool(duplicated),
    )


if __name__ == "__main__":
    bootstrap, calm_prefix, calm_store, prefix, store, events, kills = sys.argv[1:]
    undisturbed = Run(bootstrap, calm_prefix, Path(calm_store)).read()
    outcome = Run(bootstrap, prefix, Path(store)).read()
    verdict, wrong = verify(undisturbed, outcome, int(events), int(kills))
    for one in wrong:
        print(one, file=sys.stderr)
    print(verdict)
    sys.exit(1 if wrong else 0)
