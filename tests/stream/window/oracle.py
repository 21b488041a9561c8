"""Windowing as slowly and as plainly as it can be said: one record after the other, in dicts and lists."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stream.samples import HISTORY, Samples
from stream.settings import StreamSettings
from stream.window.log import Log, tick
from stream.window.partition import Partition, Step

#: The watermark before anything is known.
BEFORE_ALL = -(2**62)
#: The largest time there is: the last ms of the year 9999.
MAX_TS = 253_402_300_799_999
#: A Kafka timestamp that puts no event of these tests into the future.
LATER = 10**15
COUNTS = ("used", "pending", "late", "delayed", "duplicate", "dead", "produced")


class Row(NamedTuple):
    """A sample with its strings written out."""

    number: int
    decided_at: int
    user: str
    item: str
    impression_id: str
    categories: tuple[str, ...]
    history: tuple[str, ...]
    label: int


class Record(NamedTuple):
    """One record of the log, its offset aside."""

    value: bytes | None
    timestamp: int = LATER
    source: bytes | None = None
    row: int = -1


class Unusable(Exception):
    """The record is dead; the text is its reason."""


def impression(impression_id: object, user: object, item: object, ts: object, **more: Any) -> dict[str, Any]:
    """An impression's JSON object."""
    return {
        "type": "impression", "impression_id": impression_id, "user_id": user, "item_id": item, "ts": ts
    } | more  # fmt: skip


def click(user: object, item: object, ts: object, **more: Any) -> dict[str, Any]:
    """A click's JSON object; with `impression_id` among `more`, or without."""
    return {"type": "click", "user_id": user, "item_id": item, "ts": ts} | more


def record(event: object, **more: Any) -> Record:
    """A record that holds this JSON."""
    return Record(json.dumps(event).encode(), **more)


def ticked(watermark: int, end: bool = False) -> Record:
    """A tick as producers of ours write it."""
    return Record(tick(watermark, end))


@dataclass
class Event:
    """A good event."""

    kind: str
    user: str
    item: str
    impression_id: str  # "" where there is none
    categories: tuple[str, ...]
    ts: int
    at: Record
    offset: int

    def order(self) -> tuple[Any, ...]:
        """Events are taken by this."""
        return (
            self.ts, self.user.encode(), self.kind == "click", self.item.encode(), self.impression_id.encode()
        )  # fmt: skip


@dataclass
class Shown:
    """An impression that was taken, and what became of it."""

    ts: int
    sample: Row
    clicked: bool = False


@dataclass
class Oracle:
    """One partition; everything it gave away so far is kept in `samples`, `dead` and `positives`."""

    settings: StreamSettings
    watermark: int = BEFORE_ALL
    ends: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    samples: list[Row] = field(default_factory=list)
    dead: list[tuple[int, bytes | None, str]] = field(default_factory=list)
    positives: dict[str, list[tuple[int, str]]] = field(default_factory=dict)  # (time, item), oldest first
    pending: list[Event] = field(default_factory=list)
    waiting: list[Row] = field(default_factory=list)  # decided or not, in the order taken; no number yet
    shown: dict[tuple[str, str], Shown] = field(default_factory=dict)
    at_ends: list[int] = field(default_factory=list)  # the watermark at each end
    asked: list[tuple[int, str]] = field(default_factory=list)  # wishes to be forgotten, and when due
    forgotten: list[tuple[int, str]] = field(default_factory=list)  # those that were

    def add(self, one: Record, offset: int) -> None:
        """Meets the next record."""
        try:
            parsed = parse(one, offset)
        except Unusable as reason:
            self.counts["produced"] += 1
            self._bury(one, offset, str(reason))
            return
        if isinstance(parsed, Event):
            self.counts["produced"] += 1
            self._accept(parsed)
        elif isinstance(parsed, tuple):
            watermark, end = parsed
            self.watermark = max(self.watermark, watermark)
            if end:
                self.ends += 1
                self.at_ends.append(self.watermark)
        self._take()
        self._release()
        if isinstance(parsed, str) and self.watermark != BEFORE_ALL:
            self.positives.pop(parsed, None)
            self.asked.append((self.watermark + self.settings.lateness + self.settings.window + 1, parsed))
        self.counts["pending"] = len(self.pending)

    def histories(self) -> dict[str, tuple[list[str], list[int]]]:
        """Per user who has positives: items and times of the last of them, newest first."""
        return {
            user: (
                [item for _, item in positives[::-1][:HISTORY]],
                [time for time, _ in positives[::-1][:HISTORY]],
            )
            for user, positives in self.positives.items()
        }

    def _bury(self, one: Record, offset: int, reason: str) -> None:
        self.counts["dead"] += 1
        self.dead.append((offset, one.value, reason))

    def _accept(self, event: Event) -> None:
        if event.ts > event.at.timestamp + self.settings.max_skew:
            self._bury(event.at, event.offset, "future")
        elif event.ts < self.watermark:
            self.counts["late"] += 1
        elif any(same_source(event.at, other.at) for other in self.pending):
            self.counts["duplicate"] += 1
        else:
            self.watermark = max(self.watermark, event.ts - self.settings.lateness)
            self.pending.append(event)

    def _take(self) -> None:
        ready = [event for event in self.pending if event.ts < self.watermark]
        self.pending = [event for event in self.pending if event.ts >= self.watermark]
        due = sorted(one for one in self.asked if one[0] <= self.watermark)
        self.asked = [one for one in self.asked if one not in due]
        self.forgotten += due
        for event in sorted(ready, key=Event.order):
            while due and due[0][0] <= event.ts:
                self.positives.pop(due.pop(0)[1], None)
            if event.kind == "impression":
                self._impression(event)
            elif event.impression_id:
                self._click(event)
            else:
                self.counts["used"] += 1
                self.waiting.append(self._sample(event, event.ts, 1))
                self.positives.setdefault(event.user, []).append((event.ts, event.item))

        for _, user in due:
            self.positives.pop(user, None)

    def _impression(self, event: Event) -> None:
        if self._known(event) is not None:
            self.counts["duplicate"] += 1
            return
        self.counts["used"] += 1
        sample = self._sample(event, event.ts + self.settings.window, 0)
        self.waiting.append(sample)
        self.shown[event.user, event.impression_id] = Shown(event.ts, sample)

    def _click(self, event: Event) -> None:
        known = self._known(event)
        if known is None:
            self._bury(event.at, event.offset, "unknown impression")
        elif known.clicked:
            self.counts["duplicate"] += 1
        else:
            known.clicked = True
            if event.ts >= known.ts + self.settings.window:
                self.counts["delayed"] += 1
                return
            self.counts["used"] += 1
            place = next(place for place, sample in enumerate(self.waiting) if sample is known.sample)
            self.waiting[place] = known.sample._replace(decided_at=event.ts, label=1)
            self.positives.setdefault(event.user, []).append((event.ts, known.sample.item))

    def _known(self, event: Event) -> Shown | None:
        earlier = self.shown.get((event.user, event.impression_id))
        if earlier and event.ts < earlier.ts + self.settings.window + self.settings.memory:
            return earlier
        return None

    def _sample(self, event: Event, decided_at: int, label: int) -> Row:
        before = [item for time, item in self.positives.get(event.user, []) if time < event.ts]
        history = tuple(before[::-1][:HISTORY])
        return Row(
            -1, decided_at, event.user, event.item, event.impression_id, event.categories, history, label
        )

    def _release(self) -> None:
        out = [sample for sample in self.waiting if sample.decided_at < self.watermark]
        self.waiting = [sample for sample in self.waiting if sample.decided_at >= self.watermark]
        for sample in sorted(out, key=by_order):
            self.samples.append(sample._replace(number=len(self.samples)))


def by_order(row: Row) -> tuple[int, bytes, bytes, bytes]:
    """The key of Order."""
    return row.decided_at, row.user.encode(), row.item.encode(), row.impression_id.encode()


def same_source(one: Record, other: Record) -> bool:
    """Both are the same row of the same source."""
    return one.source is not None and one.row != -1 and (one.source, one.row) == (other.source, other.row)


def parse(one: Record, offset: int) -> Event | tuple[int, bool] | str:
    """The event, or a tick's (watermark, end), or the user who wishes to be forgotten.

    Raises: Unusable: neither.
    """
    try:
        fields = json.loads((one.value or b"").decode(), parse_constant=_no_number)
    except ValueError as error:
        raise Unusable("not JSON") from error
    if not isinstance(fields, dict):
        raise Unusable("no object")
    kind = fields.get("type")
    if kind == "tick":
        end = fields.get("end", False)
        if not isinstance(end, bool):
            raise Unusable("end")
        return _time(fields, "watermark"), end
    if kind == "forget":
        return _identifier(fields.get("user_id"), "user_id")
    if kind not in ("impression", "click"):
        raise Unusable("type")
    without = kind == "click" and fields.get("impression_id") is None
    categories = fields.get("categories", [])
    if not isinstance(categories, list) or len(categories) > 64:
        raise Unusable("categories")
    return Event(
        kind,
        _identifier(fields.get("user_id"), "user_id"),
        _identifier(fields.get("item_id"), "item_id"),
        "" if without else _identifier(fields.get("impression_id"), "impression_id"),
        tuple(_identifier(each, "categories") for each in categories),
        _time(fields, "ts"),
        one,
        offset,
    )


def _no_number(name: str) -> None:
    raise ValueError(name)


def _identifier(value: object, name: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not 1 <= len(value) <= 512:
        raise Unusable(name)
    try:
        value.encode()
    except UnicodeEncodeError as error:  # half a surrogate pair
        raise Unusable("not JSON") from error
    return value


def _time(fields: dict[str, object], name: str) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_TS:
        raise Unusable(name)
    return value


def rows(samples: Samples) -> list[Row]:
    """Every sample with its strings written out."""
    users, items, categories = (
        each.to_pylist() for each in (samples.users, samples.items, samples.categories)
    )
    return [
        Row(
            int(samples.number[row]),
            int(samples.decided_at[row]),
            users[samples.user[row]],
            items[samples.item[row]],
            samples.impression_id[row].as_py(),
            tuple(
                categories[code] for code in samples.category[slice(*samples.category_offsets[row : row + 2])]
            ),
            tuple(items[code] for code in samples.history[slice(*samples.history_offsets[row : row + 2])]),
            int(samples.label[row]),
        )
        for row in range(len(samples))
    ]


@dataclass
class Run:
    """A `Partition` and everything it gave away so far."""

    partition: Partition
    steps: list[Step] = field(default_factory=list)
    met: int = 0

    def step(self, records: Sequence[Record]) -> list[Step]:
        """Hands it these records as one piece of its log; their offsets are not without gaps."""
        log = Log(
            values=[one.value for one in records],
            offsets=[offset_of(self.met + place) for place in range(len(records))],
            timestamps=[one.timestamp for one in records],
            sources=[one.source for one in records],
            rows=[one.row for one in records],
        )
        self.met += len(records)
        steps = self.partition.step(log)
        self.steps += steps
        return steps

    @property
    def samples(self) -> list[Row]:
        return [row for step in self.steps for row in rows(step.samples)]

    @property
    def hashes(self) -> list[int]:
        return [each for step in self.steps for each in step.samples.row_hash.tolist()]

    @property
    def dead(self) -> list[tuple[int, bytes | None, str]]:
        return sorted(
            ((one.offset, one.value, one.reason) for step in self.steps for one in step.dead),
            key=lambda one: one[0],
        )

    @property
    def counts(self) -> dict[str, int]:
        return {name: getattr(self.partition.counts, name) for name in COUNTS}

    @property
    def histories(self) -> dict[str, tuple[list[str], list[int]]]:
        """What a compacted topic would hold: the last word on each user."""
        newest = {user: history for step in self.steps for user, history in step.histories}
        return {
            user: (list(history.items), list(history.times))
            for user, history in newest.items()
            if history is not None
        }


def offset_of(place: int) -> int:
    """The offset of the record at a place in the log of a test."""
    return 5 + 3 * place


def run(settings: StreamSettings, *pieces: Sequence[Record]) -> Run:
    """A fresh partition that met these pieces of its log, one step each."""
    met = Run(Partition(settings))
    for piece in pieces:
        met.step(piece)
    return met


def settings(**more: int) -> StreamSettings:
    """Small times: lateness 0, window 10, memory 20, skew 0."""
    return StreamSettings(**{"lateness": 0, "window": 10, "memory": 20, "max_skew": 0, **more})
