"""What becomes of a dead letter that is read again: the events it makes now, or why it makes none. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from stream.dead.letters import Letter, digest
from stream.ingest.decode import Decode
from stream.ingest.mapping import SLATE, Mapped
from stream.ingest.paths import Record
from stream.ingest.values import Unmappable
from stream.window.log import Click, Impression, Unusable, decode

#: What becomes of a letter. The first two are done with; the others stay as they are, for a later replay.
REPLAYED = "replayed"  # its events are in `events`, or are written
LEFT_OUT = "left out"  # the mapping takes its kind for none of ours
STILL_DEAD = "still dead"  # as before, or for another reason
FUTURE = "in the future"  # windowing would not take it yet
PAST = "past"  # a click whose impression windowing did not know when its time had come
UNMAPPED = "not mapped"  # no table is for its topic
GONE = "gone"  # not all of it is in the letter, and Kafka has the record no more
FINISHED = (REPLAYED, LEFT_OUT)

_UNKNOWN = "unknown impression"
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Fresh:
    """An event as it is to be written."""

    ts: int  # ms of event time
    user: str
    value: bytes
    partition: int | None = None  # of `events`, where it has one already


@dataclass(frozen=True)
class Verdict:
    """What becomes of a letter now."""

    outcome: str
    reason: str = ""  # why it makes no event
    events: Sequence[Fresh] = ()


class Judge:
    """Reads letters as settings and code are now."""

    def __init__(
        self,
        decoders: Mapping[str, Decode],
        mappings: Mapping[str, Callable[[Record], Mapped]],
        events: str,
        until: int,
    ) -> None:
        """events: name of our topic; until: ms, later events are in the future for windowing."""
        self._decoders, self._mappings, self._events, self._until = decoders, mappings, events, until

    def knows(self, one: Letter) -> bool:
        """Whether there is a table for the letter's topic, or it is windowing's."""
        return one.source is None or one.place[0] in self._mappings

    def judge(self, one: Letter) -> Verdict:
        """What becomes of a letter that has all of its record. Raises: BrokerError: no schema registry."""
        found = self._windowed(one) if one.source is None else self._mapped(one)
        if found.outcome == REPLAYED and any(event.ts > self._until for event in found.events):
            return Verdict(FUTURE, "its time lies ahead of this machine's clock by more than stream.max_skew")
        return found

    def _windowed(self, one: Letter) -> Verdict:
        (event,) = decode([one.value])
        if isinstance(event, Unusable):
            return Verdict(STILL_DEAD, event.reason)
        if not isinstance(event, Impression | Click):
            return Verdict(STILL_DEAD, "it is a tick")
        if one.reason.startswith(_UNKNOWN):
            return Verdict(PAST, one.reason)
        assert one.value is not None
        return Verdict(REPLAYED, events=[_fresh(event, one.value, one.place[1])])

    def _mapped(self, one: Letter) -> Verdict:
        topic = one.place[0]
        if topic not in self._mappings:
            return Verdict(UNMAPPED, "no [[ingest.sources]] names its topic")
        try:
            value = self._decoders[topic](topic, one.value)
        except Unmappable as problem:
            return Verdict(STILL_DEAD, str(problem))
        found = self._mappings[topic](one.record._replace(value=value))
        if found.reason:
            return Verdict(STILL_DEAD, found.reason)
        if not found.events:
            return Verdict(LEFT_OUT, found.left_out)
        return Verdict(REPLAYED, events=[_fresh(event, _encode(event), None) for event in found.events])


@dataclass
class There:
    """What of one record replays have written that died before they could say so."""

    digests: set[bytes] = field(default_factory=set)
    next: int = 0  # place of the next event within the record
    wanted: int = 0  # how many there were to be

    def add(self, row: int, value: bytes, wanted: int) -> None:
        """An event of it that is in `events`."""
        self.digests.add(digest(value))
        self.next, self.wanted = max(self.next, row % SLATE + 1), wanted

    @property
    def whole(self) -> bool:
        """Whether all of it is in `events`."""
        return 0 < self.wanted <= len(self.digests)

    def missing(self, one: Letter, events: Sequence[Fresh]) -> list[tuple[int, Fresh]]:
        """Those of its events that nobody has written, each with the place that it gets within the record.

        What the ingest wrote when it buried the rest has the first places.
        """
        known = self.digests | one.written
        missing = [event for event in events if digest(event.value) not in known]
        return list(enumerate(missing, max(self.next, len(one.written))))


def _fresh(event: Impression | Click, value: bytes, partition: int | None) -> Fresh:
    return Fresh(event.ts, str(event.user_id), value, partition)
