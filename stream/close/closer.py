"""Closing: follows the samples of all partitions and writes one manifest a period.

What dies when, and what becomes of it:

| killed                          | found at the next start       | then                                   |
|---------------------------------|-------------------------------|----------------------------------------|
| before a manifest is written    | the manifest before           | the same samples are cut the same way  |
| after it                        | it                            | the next begins where it says          |
| while another closer is at work | whichever manifest came first | both go on from it: they are the same  |
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import Counter, Gauge

from stream import kafka, traces
from stream.close.batches import Batch, Reached, read_batch
from stream.close.cut import Cut, Cutter
from stream.close.idle import Stillness
from stream.close.manifests import Manifests, check_settings
from stream.errors import ConfigurationError, CorruptRecord
from stream.records import Manifest, decode, encode, now
from stream.settings import StreamSettings
from stream.topics import Topics
from stream.window.kernels import NEVER
from stream.window.log import tick

_PERIOD = Gauge("asmg_closer_period", "Last period closed")
_SAMPLES = Gauge("asmg_closer_period_samples", "Samples of the last period closed")
_UNREADABLE = Counter("asmg_closer_unreadable", "Records of samples or periods that nobody can read")
_TICKS = Counter("asmg_closer_ticks", "Ticks written for partitions that stood still")


def settle_settings(
    broker: Mapping[str, object], topics: Topics, settings: StreamSettings, stop: threading.Event
) -> Manifest | None:
    """Records the settings as manifest 0 where there is none yet; the one accepted, None when stopped.

    Raises: ConfigurationError: periods were begun under other settings, or a warm-up was not finished.
    """
    # Asked before the chain is read: whoever windows has manifest 0 before the first sample.
    begun = kafka.holds_any(broker, topics.samples, settings.partitions)
    with Periods(broker, topics, kafka.Writer(broker)) as periods:
        if begun and not periods.chain:
            raise ConfigurationError(
                f"topic {topics.samples} holds a warm-up that was broken off: run `asmg warmup` again as "
                "before, or set another kafka.prefix"
            )
        mine = Manifest(period=0, parent="", reason="settings", settings=settings.shape())
        accepted = periods.accepted(mine, stop)
        if accepted is not None:
            check_settings(accepted, settings.shape())
        return accepted


class Closer:
    """Closes periods while it lives; `turn` does what is to be done now."""

    def __init__(
        self, broker: Mapping[str, object], topics: Topics, settings: StreamSettings, writer: kafka.Writer
    ) -> None:
        self._topics, self._settings, self._writer = topics, settings, writer
        self._periods = Periods(broker, topics, writer)
        self._began_at = now()
        last = self._periods.chain[-1]
        partitions = range(settings.partitions)
        self._places = {
            one: _Place(begin=max(begin, end - 1))
            for one in partitions
            for begin, end in [last.at.get(str(one), (0, 0))]
        }
        self._forgotten: set[tuple[int, str]] = set()  # as `Batch.forgotten`, in no period yet, or too late
        self._cutter = Cutter(
            settings.partitions,
            settings.period_count,
            settings.period_span,
            begin={one: last.samples[str(one)][1] for one in partitions if str(one) in last.samples},
            ends=last.ends,
        )
        self._follower = kafka.Follower(
            broker, {(topics.samples, one): self._places[one].begin for one in partitions}
        )
        after = settings.idle_after / 1000
        self._stillness = Stillness(partitions, after)
        self._ends = kafka.Ends(broker, topics.events, settings.partitions, every=after / 4)

    @property
    def period(self) -> int:
        """The last that is closed, 0 before the first."""
        return self._periods.chain[-1].period

    def turn(self, stop: threading.Event) -> None:
        """Take in what has come, close what can be closed, move on partitions that stand still.

        Raises: BrokerError; ConfigurationError: somebody closed a period otherwise.
        """
        for message in self._follower.poll(0.0):
            try:
                batch = read_batch(message, keys=True)
            except CorruptRecord:
                _UNREADABLE.inc()
                continue
            self._take(batch, message.offset())
            for cut in self._cutter.cuts():
                self._close(cut, batch.reached.event_at, stop)
        self._move_on_idle()

    def close(self) -> None:
        """Leave."""
        self._follower.close()
        self._periods.close()

    def _take(self, batch: Batch, offset: int) -> None:
        place = self._places[batch.partition]
        known = self._cutter.next_number(batch.partition)
        if batch.first > known:
            return
        self._forgotten.update(batch.forgotten)
        self._cutter.add(batch.partition, batch.samples, batch.reached.watermark, batch.reached.ends)
        if place.reached is None or batch.reached.watermark > place.reached.watermark:
            self._stillness.moved(batch.partition, batch.reached.watermark, time.monotonic())
        if place.reached is None or batch.reached.offset >= place.reached.offset:
            place.reached = batch.reached
        if (stop := batch.first + len(batch.samples)) > known:
            place.batches.append((stop, offset))

    def _close(self, cut: Cut, event_at: int, stop: threading.Event) -> None:
        last = self._periods.chain[-1]
        reached = [place.reached for place in self._places.values() if place.reached is not None]
        counts = {name: sum(one.counts[name] for one in reached) for name in reached[0].counts}
        mine = Manifest(
            period=last.period + 1,
            parent=last.hash(),
            reason=cut.reason,
            cut=cut.last,
            count=cut.count,
            positives=cut.positives,
            sha256=cut.sha256,
            samples={str(one): numbers for one, numbers in cut.samples.items()},
            at={str(one): self._places[one].pass_by(*numbers) for one, numbers in cut.samples.items()},
            counts=counts,
            busy_seconds=sum(one.busy_ms for one in reached) / 1000,
            opened_at=last.closed_at or self._began_at,
            closed_at=now(),
            last_event_at=event_at,
            ends=cut.ends,
            forget=self._forget(last, cut),
        )
        accepted = self._periods.accepted(mine, stop)
        if accepted is not None and accepted.hash() != mine.hash():
            raise ConfigurationError(
                f"period {mine.period} was closed otherwise by somebody else: is another version of asmg, or "
                f"another log, at work under {self._topics.prefix}*?"
            )
        if accepted is not None and accepted.closed_at == mine.closed_at:
            traces.period_closed(accepted)
        _PERIOD.set(mine.period)
        _SAMPLES.set(mine.count)

    def _forget(self, last: Manifest, cut: Cut) -> tuple[str, ...]:
        """Who is forgotten in the period: those whose time lies behind the cut before it, up to its own.

        All of them are known: a partition tells of them no later than of a watermark at their time. Nor is
        one told of again once its period is closed, since what it has told before that period's last
        samples is never read again, and what is read twice lies before the cut.
        """
        since = NEVER if last.cut is None else last.cut[0]
        mine = {digest for at, digest in self._forgotten if since < at <= cut.last[0]}
        self._forgotten = {one for one in self._forgotten if one[0] > cut.last[0]}
        return tuple(sorted(mine))

    def _move_on_idle(self) -> None:
        """Writes ticks for partitions whose watermark has stood still while that of others moved.

        Never beyond what was read of a partition: one whose worker is behind does not stand still.
        """
        ends = self._ends.answer()
        if not ends:
            return
        at = time.monotonic()
        self._stillness.answered({one: end.epoch for one, end in ends.items()}, at)
        still = self._stillness.idle(at)
        target = self._target(still, at)
        behind = [
            one
            for one, place in self._places.items()
            if one in still and place.watermark < target and one in ends and ends[one].offset <= place.offset
        ]
        for one in behind:
            self._writer.write(self._topics.events, tick(target), partition=one)
            self._stillness.ticked(one, target)
            _TICKS.inc()
        if behind:
            self._writer.flush()

    def _target(self, still: Sequence[int], at: float) -> int:
        """The watermark that partitions standing still are moved to, ms; NEVER where there is none.

        Where the slowest that moves was a while ago. Where all stand still: by the wall clock, if so set;
        else where those came to that moved last; after that only those that never had an event are moved,
        since nobody would ever bring them to where the others are.
        """
        if moving := self._places.keys() - still:
            return min(self._stillness.past(one, at) for one in moving)
        if self._settings.clock == "wall":
            return now() - self._settings.lateness - self._settings.idle_after
        if last := self._places.keys() - self._stillness.idle(at, 3):
            return min(self._stillness.past(one, at) for one in last)
        marks = [place.watermark for place in self._places.values()]
        return min((mark for mark in marks if mark > NEVER), default=NEVER)


@dataclass(eq=False)
class _Place:
    """Where closing is in one partition of `samples`."""

    begin: int  # offset from which the samples in no period yet are found
    #: (last number + 1, offset) of the records that hold samples in no period yet
    batches: list[tuple[int, int]] = field(default_factory=list)
    reached: Reached | None = None

    @property
    def watermark(self) -> int:
        return NEVER if self.reached is None else self.reached.watermark

    @property
    def offset(self) -> int:
        return 0 if self.reached is None else self.reached.offset

    def pass_by(self, first: int, stop: int) -> tuple[int, int]:
        """Offsets [begin, end) between which the samples [first, stop) are found; goes on behind them.

        The next period begins at the last of these records, which may hold its first samples too.
        """
        if first == stop:
            return self.begin, self.begin
        begin = next(offset for end, offset in self.batches if end > first)
        last = next(offset for end, offset in self.batches if end >= stop)
        self.batches = [(end, offset) for end, offset in self.batches if end > stop]
        self.begin = last
        return begin, last + 1


class Periods:
    """The topic `periods`: what is accepted, and writing to it."""

    def __init__(self, broker: Mapping[str, object], topics: Topics, writer: kafka.Writer) -> None:
        self.chain = Manifests()
        self._topic, self._writer = topics.periods, writer
        self._follower = kafka.Follower(broker, {(topics.periods, 0): 0})
        while not self._follower.caught_up:
            self._read()

    def __enter__(self) -> Periods:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def accepted(self, mine: Manifest, stop: threading.Event) -> Manifest | None:
        """Write the manifest unless its number is taken; what was accepted under it. None when stopped."""
        if len(self.chain) <= mine.period:
            self._writer.write(self._topic, encode(mine), key=str(mine.period).encode())
            self._writer.flush()
        while len(self.chain) <= mine.period and not stop.is_set():
            self._read()
        return self.chain[mine.period] if len(self.chain) > mine.period else None

    def close(self) -> None:
        """Leave."""
        self._follower.close()

    def _read(self) -> None:
        for message in self._follower.poll(kafka.GLANCE):
            try:
                self.chain.take(decode(Manifest, message.value()))
            except CorruptRecord:
                _UNREADABLE.inc()
