"""Checkpoints of windowing: parts in the store, announced once everything before them is acknowledged.

A checkpoint saves time and nothing else: without any, or with one whose parts are gone, windowing begins
further up in the log and writes the same samples under the same numbers again. What it begins with at the
very first is nothing or, where a warm-up has windowed history, the state that manifest 0 names.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from stream import kafka
from stream.errors import CorruptArtefact, CorruptRecord, MissingArtefact, StoreError
from stream.records import Beginning, Checkpoint, decode, encode
from stream.settings import StreamSettings
from stream.store import Store
from stream.topics import Topics
from stream.window.checkpoint import pasts_table, rest_table, restore
from stream.window.partition import Partition

#: A new base is written when the deltas hold as many users as it does, or are this many.
MOST_DELTAS = 30

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class Chain:
    """What of a partition's state is in the store already."""

    offset: int = 0  # of `events`: the first that is not in it
    busy_ms: int = 0
    base: str = ""
    deltas: tuple[str, ...] = ()
    rest: str = ""
    base_users: int = 0
    delta_users: int = 0
    changed: set[str] = field(default_factory=set)  # users whose positives changed since
    anew: bool = False  # whether a user was forgotten whom base or deltas still hold: the next base is new
    garbage: list[str] = field(default_factory=list)  # parts that only the announcement before needed


class Checkpoints:
    """Reads and writes them."""

    def __init__(
        self,
        broker: Mapping[str, object],
        topics: Topics,
        store: Store,
        settings: StreamSettings,
        begin: Mapping[str, Beginning],
    ) -> None:
        """begin: manifest 0's."""
        self._broker, self._topic, self._store, self._settings = broker, topics.checkpoints, store, settings
        self._begin = {int(one): beginning for one, beginning in begin.items()}
        #: Parts that outlive checkpoints.
        self._kept = {name for one in begin.values() for name in (one.base, one.rest)}

    def load(self, partitions: Sequence[int]) -> dict[int, tuple[Partition, Chain]]:
        """Of each, state and chain from the furthest checkpoint that can be read, or the beginning's."""
        announced = self._announced()
        return {one: self._load(one, announced) for one in partitions}

    def _load(self, partition: int, announced: Sequence[Checkpoint]) -> tuple[Partition, Chain]:
        for found in announced:
            if found.partition != partition:
                continue
            try:
                pasts = [self._store.get(name) for name in (found.base, *found.deltas)]
                state = restore(self._settings, pasts, self._store.get(found.rest), partition, found.offset)
            except StoreError as error:
                _log.warning("partition %d: checkpoint at offset %d: %s", partition, found.offset, error)
                continue
            users = [table.num_rows for table in pasts]
            return state, Chain(
                offset=found.offset,
                busy_ms=found.busy_ms,
                base=found.base,
                deltas=found.deltas,
                rest=found.rest,
                base_users=users[0],
                delta_users=sum(users[1:]),
            )
        beginning = self._begin.get(partition)
        return (
            (Partition(self._settings), Chain()) if beginning is None else self._first(partition, beginning)
        )

    def _first(self, partition: int, found: Beginning) -> tuple[Partition, Chain]:
        """Raises: StoreError: a part of it is gone or damaged."""
        try:
            base, rest = self._store.get(found.base), self._store.get(found.rest)
            state = restore(self._settings, [base], rest, partition, found.offset)
        except (MissingArtefact, CorruptArtefact) as error:
            raise type(error)(
                f"what windowing of partition {partition} begins with is not whole, and no checkpoint is: "
                f"{error}; run `asmg warmup` again as before, which puts it back"
            ) from error
        return state, Chain(found.offset, base=found.base, rest=found.rest, base_users=base.num_rows)

    def save(
        self, partition: int, state: Partition, offset: int, busy_ms: int, chain: Chain, writer: kafka.Writer
    ) -> None:
        """Announce a checkpoint; the caller has had everything before it acknowledged.

        Raises: StoreError, BrokerError.
        """
        for name in chain.garbage:
            self._store.delete(name)
        before = (chain.base, *chain.deltas, chain.rest)
        if chain.anew and (beginning := self._begin.get(partition)):
            self._kept -= {beginning.base, beginning.rest}  # a user who is forgotten may be in it
            before = (*before, beginning.base, beginning.rest)
        full = chain.delta_users > chain.base_users or len(chain.deltas) >= MOST_DELTAS
        if not chain.base or full or chain.anew:
            whole = pasts_table(state)
            chain.base, chain.deltas = self._store.put(whole), ()
            chain.base_users, chain.delta_users, chain.anew = whole.num_rows, 0, False
        elif chain.changed:
            delta = pasts_table(state, np.sort(state.users.of(chain.changed)))
            chain.deltas = (*chain.deltas, self._store.put(delta))
            chain.delta_users += delta.num_rows
        chain.rest = self._store.put(rest_table(state, partition, offset))
        chain.changed.clear()
        record = Checkpoint(
            partition=partition,
            offset=offset,
            busy_ms=busy_ms,
            base=chain.base,
            deltas=chain.deltas,
            rest=chain.rest,
            settings=self._settings.shape(),
        )
        writer.write(self._topic, encode(record), key=str(partition).encode())
        writer.flush()
        needed = {chain.base, *chain.deltas, chain.rest} | self._kept
        chain.offset, chain.busy_ms = offset, busy_ms
        chain.garbage = [name for name in before if name and name not in needed]

    def _announced(self) -> list[Checkpoint]:
        """All checkpoints under these settings, the one with the highest offset first."""
        client = kafka.consumer(self._broker, wait=10)
        try:
            low, end = kafka.offsets(client, self._topic, 0)
            records = kafka.between(client, self._topic, 0, low, end)
        finally:
            client.close()
        found = []
        for record in records:
            try:
                checkpoint = decode(Checkpoint, record.value())
            except CorruptRecord:
                continue
            if checkpoint.settings == self._settings.shape():
                found.append(checkpoint)
        return sorted(found, key=lambda one: -one.offset)
