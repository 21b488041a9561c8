"""One partition of `events` on its way to samples: a pure function of its log, wherever the log is cut."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import compress, pairwise

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stream.records import History
from stream.renumber import renumber
from stream.samples import Samples, string_ranks, take_lists
from stream.settings import StreamSettings
from stream.window import kernels
from stream.window.codes import Codes, Lists, hashes_of
from stream.window.log import (
    CLICK,
    IMPRESSION,
    TICK,
    UNUSABLE,
    Click,
    Event,
    Forget,
    Impression,
    Log,
    Tick,
    decode,
)
from stream.window.state import Codes32, Events, Flags, Impressions, Ints, Pasts, Rows

#: What is no event, and what a step may have to end with.
_MARKS = frozenset({Tick, Forget})


class Counts(msgspec.Struct):
    """What became of the records of a log, ticks aside: `produced` is the sum of the others."""

    used: int = 0
    pending: int = 0
    late: int = 0
    delayed: int = 0
    duplicate: int = 0
    dead: int = 0
    produced: int = 0


@dataclass(frozen=True)
class Dead:
    """A record that could not be used."""

    offset: int
    value: bytes | None
    reason: str  # one line


@dataclass(frozen=True, eq=False)
class Step:
    """What some records of the log brought about."""

    samples: Samples  # numbered, in Order: those that became final
    watermark: int  # ms; every sample decided before it is out
    ends: int  # end ticks met so far
    dead: list[Dead]
    histories: list[tuple[str, History | None]]  # users whose positives changed; None: of whom none are kept
    #: Users whose events before their wish to be forgotten are all taken now, and since when that is, ms of
    #: event time: every sample of such an event is decided before.
    forgotten: list[tuple[int, str]]


class Partition:
    """The state of one partition; `step` takes it on by some records, whose offsets rise.

    Results do not depend on how the log is cut into steps: verdicts on arrival follow the order of the log,
    taking follows (ts, user, …), and a sample leaves when the watermark has passed its decision.
    """

    def __init__(self, settings: StreamSettings) -> None:
        self.settings = settings
        self.counts = Counts()
        self.watermark = kernels.NEVER
        self.ends = 0
        self.number = 0  # the next sample's
        self.users, self.items, self.lists, self.sources = Codes(), Codes(), Lists(), Codes()
        self.newest: dict[int, int] = {}  # source code -> the largest row seen of it
        self.pending = Events.none()
        self.values: dict[int, bytes] = {}  # offset -> bytes of pending clicks that may turn out dead
        self.impressions = Impressions()
        self.rows = Rows()
        self.pasts = Pasts()
        self.asked: list[tuple[int, str]] = []  # as `Step.forgotten`, of wishes whose time has not come

    def step(self, log: Log) -> list[Step]:
        """Takes the records in; one `Step` for those up to each end tick or wish to be forgotten, and one for
        what follows."""
        events = decode(log.values)
        if _MARKS.isdisjoint(map(type, events)):  # most often
            return [self._step(log, events, ended=False)] if events else []
        ends = [place + 1 for place, one in enumerate(events) if isinstance(one, Tick) and one.end]
        wishes = [place + 1 for place, one in enumerate(events) if isinstance(one, Forget)]
        cuts = sorted({0, *ends, *wishes, len(events)})
        return [
            self._step(log.part(start, stop), events[start:stop], ended=stop in ends)
            for start, stop in pairwise(cuts)
        ]

    def _step(self, log: Log, events: list[Event], ended: bool) -> Step:
        dead = self._arrive(log, events)
        self.ends += ended
        taken = self.pending.ts < self.watermark
        events_taken = _in_order(self.pending.take(taken), self.items, self.impressions)
        self.pending = self.pending.take(~taken)
        due = sorted(one for one in self.asked if one[0] <= self.watermark)
        decided, positives, unknown = self._take(events_taken, due)
        dropped = {user for _, user in due} | self._wish(events[-1])
        rows = np.concatenate([decided, self.rows.expire(self.watermark - self.settings.window)])
        samples = self._samples(rows)
        self._forget()
        self.counts.pending = len(self.pending)
        histories = self.histories(positives, dropped)
        return Step(samples, self.watermark, self.ends, dead + unknown, histories, due)

    def _arrive(self, log: Log, events: list[Event]) -> list[Dead]:
        """Sorts records into pending, late, duplicate and dead; moves the watermark."""
        kind = np.array([one.kind for one in events], np.int8)
        real = np.flatnonzero(kind < TICK)
        mine = events if len(real) == len(events) else [events[place] for place in real.tolist()]
        columns = self._columns(log, real, mine, kind[real])
        ts, at = np.zeros(len(events), np.int64), np.array(log.timestamps, np.int64)
        ts[real] = columns.ts
        for place in np.flatnonzero(kind == TICK).tolist():
            one = events[place]
            ts[place] = one.watermark if isinstance(one, Tick) else kernels.NEVER
        key = np.full(len(events), -1, np.int64)
        key[real], held = self._keys(columns)
        verdict, self.watermark = kernels.accept(
            kind, ts, at, key, held, self.settings.lateness, self.settings.max_skew, self.watermark
        )
        self._keep(columns, verdict[real] == kernels.ACCEPTED, log, real)
        dead = [
            Dead(log.offsets[place], log.values[place], events[place].reason)  # type: ignore[union-attr]
            for place in np.flatnonzero(kind == UNUSABLE).tolist()
        ] + [
            Dead(
                log.offsets[place],
                log.values[place],
                f"future: ts is {ts[place] - at[place]} ms after Kafka took it",
            )
            for place in np.flatnonzero(verdict == kernels.FUTURE).tolist()
        ]
        self.counts.late += int(np.count_nonzero(verdict == kernels.LATE))
        self.counts.duplicate += int(np.count_nonzero(verdict == kernels.REPEATED))
        self.counts.dead += len(dead)
        self.counts.produced += int(np.count_nonzero(kind != TICK))
        return dead

    def _columns(self, log: Log, real: Ints, events: list[Event], kind: npt.NDArray[np.int8]) -> Events:
        """The events, of these kinds, as columns; `real` are their places in the log."""
        assert all(isinstance(one, Impression | Click) for one in events[:1])
        given: list[Impression | Click] = events  # type: ignore[assignment]
        user = self.users.of([one.user_id for one in given])
        sources = {
            name: -1 if name is None else self.sources[name.decode(errors="replace")]
            for name in dict.fromkeys(log.sources)
        }
        return Events(
            kind=kind,
            ts=np.array([one.ts for one in given], np.int64),
            user=user,
            item=self.items.of([one.item_id for one in given]),
            lists=self.lists.of([one.categories for one in given]),
            slot=self._slots(user, [one.impression_id for one in given]),
            offset=np.array(log.offsets, np.int64)[real],
            source=np.array([sources[name] for name in log.sources], np.int32)[real],
            row=np.array(log.rows, np.int64)[real],
        )

    def _slots(self, user: Codes32, ids: list[str | int | None]) -> Codes32:
        """The slot of each event's impression, -1 for a click that came without one."""
        if {str}.issuperset(map(type, ids)):
            return self.impressions.of(user, ids)  # type: ignore[arg-type]
        slots = np.full(len(ids), -1, np.int32)
        some = [place for place, name in enumerate(ids) if name is not None]
        slots[some] = self.impressions.of(user[some], [str(ids[place]) for place in some])
        return slots

    def _keys(self, columns: Events) -> tuple[Ints, Ints]:
        """For each event that may repeat a pending one its place in the second array: ts by (source, row).

        A source sends its rows in order, so one beyond its newest repeats nothing.
        """
        numbered = (columns.row >= 0) & (columns.source >= 0)
        repeats = False
        for source in np.unique(columns.source[numbered]).tolist():
            rows = columns.row[numbered & (columns.source == source)]
            newest = self.newest.get(source, -1)
            repeats = repeats or bool(rows[0] <= newest) or bool(np.any(np.diff(rows) <= 0))
            self.newest[source] = max(newest, int(rows.max()))
        key = np.full(len(columns), -1, np.int64)
        if not repeats:
            return key, np.zeros(0, np.int64)
        both = self.pending.followed_by(columns)
        pairs = np.stack([both.source.astype(np.int64), both.row], axis=1)
        _, place = np.unique(pairs, axis=0, return_inverse=True)
        held = np.full(int(place.max(initial=-1)) + 1, kernels.NEVER, np.int64)
        waiting = len(self.pending)
        held[place[:waiting]] = self.pending.ts
        key[numbered] = place[waiting:][numbered]
        return key, held

    def _keep(self, columns: Events, accepted: Flags, log: Log, real: Ints) -> None:
        """Adds the accepted events to the pending ones, with the bytes of those that may yet be dead."""
        self.pending = self.pending.followed_by(columns.take(accepted))
        for place in real[accepted & (columns.kind == CLICK) & (columns.slot >= 0)].tolist():
            value = log.values[place]
            assert value is not None
            self.values[log.offsets[place]] = value

    def _take(self, taken: Events, due: list[tuple[int, str]]) -> tuple[Ints, Ints, list[Dead]]:
        """Takes events in their order, and forgets users in between as their time comes."""
        if not due:
            return self._join(taken)
        found, start = [], 0
        for at, user in due:
            stop = int(np.searchsorted(taken.ts, at))
            found.append(self._join(taken.take(np.arange(start, stop))))
            self._drop(user)
            start = stop
        found.append(self._join(taken.take(np.arange(start, len(taken)))))
        self.asked = [one for one in self.asked if one not in due]
        decided, positives, unknown = zip(*found, strict=True)
        return np.concatenate(decided), np.concatenate(positives), [one for some in unknown for one in some]

    def _wish(self, last: Event) -> set[str]:
        """A user who wishes to be forgotten is, and once more when all that lies before in the log is taken
        and decided: nothing there is younger than the watermark by more than the lateness."""
        if not isinstance(last, Forget) or self.watermark == kernels.NEVER:
            return set()
        user, settings = str(last.user_id), self.settings
        self._drop(user)
        self.asked.append((self.watermark + settings.lateness + settings.window + 1, user))
        return {user}

    def _drop(self, user: str) -> None:
        code = self.users[user]
        self.pasts.reserve(len(self.users))
        self.pasts.item[code], self.pasts.ts[code], self.pasts.count[code] = 0, 0, 0

    def _join(self, taken: Events) -> tuple[Ints, Ints, list[Dead]]:
        """Takes events in their order: rows decided by clicks, users with new positives, dead ones."""
        rows, impressions, pasts = self.rows, self.impressions, self.pasts
        rows.reserve(len(taken))
        pasts.reserve(len(self.users))
        outcome, rows.count, decided, positives = kernels.join(
            taken.kind, taken.ts, taken.user, taken.item, taken.lists, taken.slot,
            self.settings.window, self.settings.memory,
            impressions.ts, impressions.clicked, impressions.row,
            pasts.item, pasts.ts, pasts.count,
            rows.count, rows.ts, rows.decided, rows.user, rows.item, rows.lists, rows.slot, rows.label,
            rows.done, rows.history_end, rows.history,
        )  # fmt: skip
        for offset in taken.offset[(taken.kind == CLICK) & (taken.slot >= 0) & (outcome != kernels.UNKNOWN)]:
            del self.values[int(offset)]
        unknown = [
            Dead(
                int(taken.offset[place]),
                self.values.pop(int(taken.offset[place])),
                f"unknown impression {impressions.names[taken.slot[place]]!r} of this user",
            )
            for place in np.flatnonzero(outcome == kernels.UNKNOWN).tolist()
        ]
        became = np.bincount(outcome, minlength=kernels.UNKNOWN + 1).tolist()
        self.counts.used += became[kernels.USED]
        self.counts.duplicate += became[kernels.DUPLICATE]
        self.counts.delayed += became[kernels.DELAYED]
        self.counts.dead += len(unknown)
        return decided, positives, unknown

    def _samples(self, which: Ints) -> Samples:
        """These rows as samples in Order, numbered on."""
        rows = self.rows
        which = which[np.argsort(rows.decided[which], kind="stable")]  # most often Order already
        user, item, slot = rows.user[which], rows.item[which], rows.slot[which]
        names = self.impressions.names
        ids = ["" if place < 0 else names[place] for place in slot.tolist()]
        category_offsets, category = take_lists(*self.lists.arrays(), rows.lists[which])
        history_offsets, history = rows.histories(which)
        item_hashes, id_hashes, known = self.items.hashes(), np.zeros(len(slot), np.uint64), slot >= 0
        id_hashes[known] = hashes_of(compress(ids, known.tolist()))
        decided_at, label = rows.decided[which], rows.label[which]
        row_hash = kernels.row_hashes(
            decided_at, self.users.hashes()[user], item_hashes[item], id_hashes,
            category_offsets, self.lists.members.hashes()[category], history_offsets, item_hashes[history],
            label,
        )  # fmt: skip
        used_users, users = _renumbered(user, self.users)
        used_items, both = _renumbered(np.concatenate([item, history]), self.items)
        used_categories, categories = _renumbered(category, self.lists.members)
        samples = Samples(
            number=np.zeros(len(which), np.int64),
            decided_at=decided_at,
            user=users,
            item=both[: len(which)],
            impression_id=pa.array(ids, pa.string()),
            category_offsets=category_offsets,
            category=categories,
            history_offsets=history_offsets,
            history=both[len(which) :],
            label=label,
            row_hash=row_hash,
            users=self.users.texts(used_users),
            items=self.items.texts(used_items),
            categories=self.lists.members.texts(used_categories),
        )
        order = samples.in_order()
        if np.any(np.diff(order) < 0):
            samples = samples.take(order)
        number = np.arange(self.number, self.number + len(samples))
        self.number += len(samples)
        return replace(samples, number=number)

    def histories(self, positives: Ints, dropped: Collection[str] = ()) -> list[tuple[str, History | None]]:
        """What to tell of the users that got positives, by their codes, and of those that were forgotten."""
        users = np.unique(positives)
        if dropped:
            users = np.union1d(users, self.users.of(dropped))
        offsets, codes, ts = self.pasts.of(users)
        items, times = [self.items.names[code] for code in codes.tolist()], ts.tolist()
        return [
            (
                self.users.names[user],
                History(items=items[start:stop], times=times[start:stop]) if start < stop else None,
            )
            for user, (start, stop) in zip(users.tolist(), pairwise(offsets.tolist()), strict=True)
        ]

    def _forget(self) -> None:
        """Drops what can matter no more; when it does so changes no result."""
        self.rows.sweep(self.impressions)
        before = self.watermark - self.settings.window - self.settings.memory
        moved = self.impressions.sweep(before, self.pending.slot)
        if moved is not None:
            self.pending = replace(self.pending, slot=moved[self.pending.slot])
            self.rows.slot = moved[self.rows.slot]


def _renumbered(codes: Codes32, of: Codes) -> tuple[Codes32, Codes32]:
    """The codes that occur, ascending, and for each its place among them."""
    found: tuple[Codes32, Codes32] = renumber(codes, np.zeros(len(of), np.int32))
    return found


def _in_order(events: Events, items: Codes, impressions: Impressions) -> Events:
    """The events by (ts, user, impression before click, item id, impression_id).

    Users do not see each other, so any order of users at one time will do. Texts are compared only where two
    events are alike up to them.
    """
    order = np.lexsort((events.kind, events.user, events.ts))
    same = np.zeros(len(order), np.bool_)
    for column in (events.ts, events.user, events.kind):
        sorted_column = column[order]
        differs = sorted_column[1:] != sorted_column[:-1]
        same[1:] |= differs
    ties = ~same
    ties[:1] = False
    if not ties.any():
        return events.take(order)
    tied = np.flatnonzero(ties | np.concatenate([ties[1:], [False]]))
    rank = np.zeros((2, len(events)), np.int64)
    rank[0, order[tied]] = string_ranks(items.texts(events.item[order[tied]]))
    slots = events.slot[order[tied]].tolist()
    ids = ["" if slot < 0 else impressions.names[slot] for slot in slots]
    rank[1, order[tied]] = string_ranks(pa.array(ids, pa.string()))
    return events.take(np.lexsort((rank[1], rank[0], events.kind, events.user, events.ts)))


assert IMPRESSION < CLICK < TICK < UNUSABLE  # comparisons of kinds above rely on it
