"""What a partition remembers between steps, as columns that grow: events, impressions, rows, pasts."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import chain
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from stream.samples import HISTORY, take_lists
from stream.window.kernels import NEVER

Ints = npt.NDArray[np.int64]
Codes32 = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]

Kind = TypeVar("Kind", bound=np.generic)

#: Rows and impressions that are over are swept out when there are this many of them, and more than half are.
SWEEP = 4096


@dataclass(frozen=True, eq=False)
class Events:
    """n events as columns; those that were accepted and not taken yet are kept as this."""

    kind: npt.NDArray[np.int8]  # [n]
    ts: Ints  # [n] ms
    user: Codes32  # [n]
    item: Codes32  # [n]
    lists: Codes32  # [n] codes of category lists
    slot: Codes32  # [n] of `Impressions`, -1 where there is no impression_id
    offset: Ints  # [n] in the log
    source: Codes32  # [n] code of the header `source`, -1 where there is none
    row: Ints  # [n] the header `row`, -1 where there is none

    def __len__(self) -> int:
        return len(self.ts)

    def take(self, which: npt.NDArray[np.int64] | Flags) -> Events:
        """These events, in the order given."""
        return Events(*(getattr(self, one.name)[which] for one in fields(self)))

    def followed_by(self, other: Events) -> Events:
        """These events, then the others."""
        return Events(
            *(np.concatenate([getattr(self, one.name), getattr(other, one.name)]) for one in fields(self))
        )

    @classmethod
    def none(cls) -> Events:
        """No events."""
        long, short = np.zeros(0, np.int64), np.zeros(0, np.int32)
        return cls(np.zeros(0, np.int8), long, short, short, short, short, long, short, long)


class Impressions:
    """(user code, impression_id) -> slot, for keys that a pending event names or an impression had.

    A slot may belong to no key.
    """

    def __init__(self) -> None:
        self.names: list[str] = []  # [slots] impression_ids
        self.user: Codes32 = np.zeros(SWEEP, np.int32)  # [slots]
        self.ts: Ints = np.full(SWEEP, NEVER, np.int64)  # [slots] of the last impression taken
        self.clicked: Flags = np.zeros(SWEEP, np.bool_)  # [slots] whether a click was counted for it
        self.row: Ints = np.zeros(SWEEP, np.int64)  # [slots] its row in `Rows`, while that is open
        # Most ids are one user's alone: a text finds its slot in half the time that a pair takes.
        self._first: dict[str, int] = {}  # impression_id -> slot of the user that came first with it
        self._others: dict[tuple[int, str], int] = {}  # (user code, impression_id) -> slot of the others
        self._kept = 0

    def __len__(self) -> int:
        """How many keys there are."""
        return len(self._first) + len(self._others)

    def __getitem__(self, key: tuple[int, str]) -> int:
        """The slot of a key that has one. Raises: KeyError: it has none."""
        slot = self._first[key[1]]
        return slot if self.user[slot] == key[0] else self._others[key]

    def of(self, users: Codes32, names: list[str]) -> Codes32:
        """[n] the slot of each key.

        Each is offered a slot of its own; where the key has one already, what was offered stays empty.
        """
        offered = range(len(self.names), len(self.names) + len(names))
        self.names += names
        self._reserve()
        self.user[offered.start : offered.stop] = users
        slots = np.fromiter(map(self._first.setdefault, names, offered), np.int32, len(names))
        for place in np.flatnonzero(self.user[slots] != users).tolist():
            slots[place] = self._others.setdefault((int(users[place]), names[place]), offered[place])
        return slots

    def slots(self) -> Codes32:
        """The slots that belong to a key, ascending."""
        every = chain(self._first.values(), self._others.values())
        return np.sort(np.fromiter(every, np.int32, len(self)))

    def _reserve(self) -> None:
        """Make the columns long enough for every slot."""
        if len(self.names) > len(self.ts):
            more = max(len(self.names) - len(self.ts), len(self.ts))
            self.user = np.concatenate([self.user, np.zeros(more, np.int32)])
            self.ts = np.concatenate([self.ts, np.full(more, NEVER, np.int64)])
            self.clicked = np.concatenate([self.clicked, np.zeros(more, np.bool_)])
            self.row = np.concatenate([self.row, np.zeros(more, np.int64)])

    def sweep(self, before: int, named: Codes32) -> Codes32 | None:
        """Forget keys whose impression is older than `before` (ms), but those in the slots `named`.

        Returns where each slot is now, -1 where it is gone, with one -1 more behind them, which answers for
        slot -1. None: it is too early to sweep.
        """
        if len(self.names) < 2 * self._kept + SWEEP:
            return None
        keep = self.ts[: len(self.names)] >= before
        keep[named[named >= 0]] = True
        slots = self.slots()
        kept = slots[keep[slots]]
        moved = np.full(len(keep) + 1, -1, np.int32)
        moved[kept] = np.arange(len(kept), dtype=np.int32)
        names, users = list(map(self.names.__getitem__, kept.tolist())), self.user[kept]
        self.ts, self.clicked, self.row = self.ts[kept], self.clicked[kept], self.row[kept]
        self.names, self.user = [], users
        self._first.clear()
        self._others.clear()
        self.of(users, names)  # each gets the slot it is offered
        self._kept = len(kept)
        return moved


class Rows:
    """Samples from the taking of their event until they are decided and out; histories as they were then."""

    def __init__(self) -> None:
        self.count = 0
        self.expired = 0  # rows before this one are decided
        self.ts: Ints = np.zeros(0, np.int64)  # [capacity] of the event, ascending
        self.decided: Ints = np.zeros(0, np.int64)  # [capacity] ms; until a click comes, ts + window
        self.user: Codes32 = np.zeros(0, np.int32)
        self.item: Codes32 = np.zeros(0, np.int32)
        self.lists: Codes32 = np.zeros(0, np.int32)
        self.slot: Codes32 = np.zeros(0, np.int32)  # -1: a click that came without an impression
        self.label: npt.NDArray[np.int8] = np.zeros(0, np.int8)
        self.done: Flags = np.zeros(0, np.bool_)  # whether a click decided it
        self.history_end: Ints = np.zeros(1, np.int64)  # [capacity + 1] row r owns [end[r], end[r + 1])
        self.history: Codes32 = np.zeros(0, np.int32)  # items, newest first

    _COLUMNS = ("ts", "decided", "user", "item", "lists", "slot", "label", "done")

    def reserve(self, more: int) -> None:
        """Make room for that many more rows, each with the longest history there is."""
        if (need := self.count + more) > len(self.ts):
            capacity = max(need, 2 * len(self.ts))
            for name in self._COLUMNS:
                setattr(self, name, _grown(getattr(self, name), capacity))
            self.history_end = _grown(self.history_end, capacity + 1)
        used = int(self.history_end[self.count])
        if (need := used + more * HISTORY) > len(self.history):
            self.history = _grown(self.history, max(need, 2 * len(self.history)))

    def expire(self, before: int) -> Ints:
        """Rows that no click decided and none can any more, since their event is older than `before` (ms)."""
        end = int(np.searchsorted(self.ts[: self.count], before))
        rows = np.arange(self.expired, max(self.expired, end))
        self.expired = max(self.expired, end)
        return rows[~self.done[rows]]

    def histories(self, rows: Ints) -> tuple[Ints, Codes32]:
        """Offsets [len(rows) + 1] and items of these rows' histories, one after the other."""
        return take_lists(self.history_end, self.history, rows)

    def alive(self) -> Ints:
        """Rows that are still open."""
        rows = np.arange(self.expired, self.count)
        return rows[~self.done[rows]]

    def sweep(self, impressions: Impressions) -> None:
        """Once most are out, keep the open rows alone, and tell their impressions where they are now."""
        alive = self.alive()
        if self.count - len(alive) < max(SWEEP, len(alive)):
            return
        offsets, history = self.histories(alive)
        for name in self._COLUMNS:
            setattr(self, name, getattr(self, name)[alive])
        self.history_end, self.history = offsets, history
        self.count, self.expired = len(alive), 0
        impressions.row[self.slot] = np.arange(len(alive))


class Pasts:
    """Every user's last positives, in rings."""

    def __init__(self) -> None:
        self.item: Codes32 = np.zeros((0, HISTORY), np.int32)  # [users, HISTORY]
        self.ts: Ints = np.zeros((0, HISTORY), np.int64)  # [users, HISTORY] ms
        self.count: Ints = np.zeros(0, np.int64)  # [users] positives there ever were

    def reserve(self, users: int) -> None:
        """Make room for that many users."""
        if users > len(self.count):
            capacity = max(users, 2 * len(self.count))
            self.item, self.ts = _grown(self.item, capacity), _grown(self.ts, capacity)
            self.count = _grown(self.count, capacity)

    def of(self, users: Ints) -> tuple[Ints, Codes32, Ints]:
        """Offsets [len(users) + 1], items and times of these users' last positives, each newest first."""
        count = self.count[users]
        lengths = np.minimum(count, HISTORY)
        offsets = np.zeros(len(users) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        back = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        place = (np.repeat(count, lengths) - 1 - back) % HISTORY
        who = np.repeat(users, lengths)
        return offsets, self.item[who, place], self.ts[who, place]

    def put(self, users: Codes32, offsets: Ints, items: Codes32, times: Ints) -> None:
        """Set these users' last positives, in the form of `of`."""
        lengths = np.diff(offsets)
        place = np.repeat(offsets[1:], lengths) - 1 - np.arange(offsets[-1])
        who = np.repeat(users, lengths)
        self.item[who, place], self.ts[who, place] = items, times
        self.count[users] = lengths


def _grown(column: npt.NDArray[Kind], capacity: int) -> npt.NDArray[Kind]:
    longer = np.zeros((capacity, *column.shape[1:]), column.dtype)
    longer[: len(column)] = column
    return longer
