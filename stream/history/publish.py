"""History to Kafka and the store, in the form in which windowing would have left it; then its periods closed.

What dies when, and what becomes of it:

| killed                               | found at the next start | then                                   |
|--------------------------------------|-------------------------|----------------------------------------|
| with some samples written            | samples, no manifest    | all are written again, and those count |
| with the states put, before manifest | the same                | the same; the states are put again     |
| after manifest 0                     | it                      | history is windowed again and compared |
| with some of its periods closed      | their manifests         | the same; the others are closed        |

Manifest 0 is the commit point: before it nothing counts, and no windowing starts beside a warm-up that was
broken off (`settle_settings`). It names what windowing goes on from, so that from there on the topics are
what they would be had the events been streamed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from stream import kafka
from stream.close.batches import messages
from stream.close.closer import Closer, Periods
from stream.close.manifests import check_settings
from stream.errors import ConfigurationError
from stream.history.beginning import Division, Tell, Windowed
from stream.history.steps import Steps
from stream.records import Beginning, Manifest, encode, now
from stream.samples import hash_of
from stream.settings import StreamSettings
from stream.store import Store
from stream.topics import Topics
from stream.window.checkpoint import pasts_table, rest_table


class History:
    """Publishes one history under a prefix where nothing has begun yet, or goes on with it."""

    def __init__(
        self, broker: Mapping[str, object], topics: Topics, store: Store, settings: StreamSettings
    ) -> None:
        """Raises: BrokerError; ConfigurationError: periods were begun here, otherwise than by a warm-up."""
        self._broker, self._topics, self._store, self._settings = broker, topics, store, settings
        self._writer = kafka.Writer(broker)
        with Periods(broker, topics, self._writer) as periods:
            self._there = periods.chain[0] if periods.chain else None
            closed = len(periods.chain) - 1
        if self._there is not None:
            check_settings(self._there, settings.shape())
            if not self._there.begin:
                raise ConfigurationError(
                    f"the stream under {topics.prefix}* has begun already, without history "
                    f"({closed} periods closed): a warm-up comes before everything else; "
                    "set another kafka.prefix"
                )

    def publish(
        self, steps: Steps, division: Division, stop: threading.Event, tell: Tell
    ) -> tuple[Manifest, dict[str, int]] | None:
        """Everything up to manifest 0, which is answered once it is accepted, with what became of history's
        events; None when stopped.

        Raises: BrokerError, StoreError; ConfigurationError: another history was published here before.
        """
        begins = self._ends(self._topics.events, first=True)
        if self._there is not None:
            begins = {int(one): beginning.offset for one, beginning in self._there.begin.items()}
        windowed = Windowed(self._settings, division.pretrained, begins)
        at = self._write(windowed, steps, stop, tell)
        if at is None:
            return None
        mine = self._manifest(windowed, at)
        with Periods(self._broker, self._topics, self._writer) as periods:
            accepted = periods.accepted(mine, stop)
        if accepted is None:
            return None
        if (accepted.hash(), accepted.begin) != (mine.hash(), mine.begin):
            raise ConfigurationError(
                f"the stream under {self._topics.prefix}* began with another history, or with another share "
                "of it for Θ_0: run it as before (--data, --since, --until, --periods), or set another "
                "kafka.prefix"
            )
        return accepted, windowed.counts

    def close(self, until: int, stop: threading.Event, tell: Callable[[int], None]) -> None:
        """Closes the periods up to that one, as windowing does; whoever closed some of them already.

        Raises: BrokerError; ConfigurationError: somebody closed a period otherwise.
        """
        closer = Closer(self._broker, self._topics, self._settings, self._writer)
        try:
            while closer.period < until and not stop.is_set():
                before = closer.period
                closer.turn(stop)
                tell(closer.period)
                if closer.period == before:
                    stop.wait(kafka.GLANCE / 5)
        finally:
            closer.close()

    def _write(
        self, windowed: Windowed, steps: Steps, stop: threading.Event, tell: Tell
    ) -> dict[int, tuple[int, int]] | None:
        """Windows history and, where no manifest is there yet, writes samples and users' histories.

        Returns by partition the offsets in `samples` between which D_0 is; None when stopped.
        """
        writing = self._there is None
        begin = end = self._ends(self._topics.samples)
        inside_before = windowed.pretrained > 0
        for inside, batch, before in windowed.batches(steps, tell):
            if stop.is_set():
                return None
            if not writing:
                continue
            if inside_before and not inside:
                self._writer.flush()
                end = self._ends(self._topics.samples)
            inside_before = inside
            for value, headers in messages(batch, before):
                self._writer.write(self._topics.samples, value, partition=batch.partition, headers=headers)
        if writing and inside_before:
            self._writer.flush()
            end = self._ends(self._topics.samples)
        if writing:
            for (partition, user), history in windowed.histories.items():
                self._writer.write(
                    self._topics.histories, encode(history), key=user.encode(), partition=partition
                )
            self._writer.flush()
        return {one: (begin[one], end[one]) for one in begin}

    def _manifest(self, windowed: Windowed, at: Mapping[int, tuple[int, int]]) -> Manifest:
        mine = Manifest(
            period=0,
            parent="",
            reason="settings",
            samples={str(one): (0, stop) for one, stop in windowed.ends.items()},
            at={str(one): span for one, span in at.items()},
            opened_at=now(),
            closed_at=now(),
            settings=self._settings.shape(),
            begin={str(one): self._beginning(windowed, one) for one in windowed.ends},
        )
        if windowed.last is None:
            return mine
        return replace(
            mine,
            reason="history",
            cut=windowed.last.last,
            count=len(windowed.d_0),
            positives=int(windowed.d_0.label.sum()),
            sha256=hash_of(windowed.d_0.row_hash),
        )

    def _beginning(self, windowed: Windowed, partition: int) -> Beginning:
        state, offset = windowed.states[partition], windowed.offsets[partition]
        return Beginning(
            offset=offset,
            base=self._store.put(pasts_table(state)),
            rest=self._store.put(rest_table(state, partition, offset)),
        )

    def _ends(self, topic: str, *, first: bool = False) -> dict[int, int]:
        """By partition the offset behind the topic's last record, or of its first. Raises: BrokerError."""
        client = kafka.consumer(self._broker, wait=10)
        try:
            found = {one: kafka.offsets(client, topic, one) for one in range(self._settings.partitions)}
        finally:
            client.close()
        return {one: low if first else end for one, (low, end) in found.items()}
