"""What has to look at one event after the other, compiled: accepting, joining, hashing rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from stream.samples import HISTORY
from stream.window.log import CLICK, IMPRESSION, TICK, UNUSABLE

#: What became of a record on its arrival.
ACCEPTED, LATE, FUTURE, REPEATED, NO_EVENT = 0, 1, 2, 3, 4

#: What became of an event when it was taken.
USED, DUPLICATE, DELAYED, UNKNOWN = 0, 1, 2, 3

#: `imp_ts` of a key under which no impression was taken yet, and `held` of a row that is not pending.
NEVER = -(2**62)

Array = Any  # a numpy array; numba knows its type


@njit(cache=True)  # type: ignore[untyped-decorator]
def accept(
    kind: Array, ts: Array, at: Array, key: Array, held: Array, lateness: int, max_skew: int, watermark: int
) -> tuple[Array, int]:
    """What becomes of n records in the order of the log, and the watermark behind them.

    kind [n]; ts [n] of events, or a tick's watermark, ms; at [n] Kafka's timestamp, ms; key [n] place in
    `held` for events that a source numbers, else -1; held [keys] ts of the pending event of that source and
    row, or NEVER, changed in place.
    """
    verdict = np.empty(len(kind), np.int8)
    for i in range(len(kind)):
        if kind[i] == TICK:
            verdict[i] = NO_EVENT
            watermark = max(watermark, ts[i])
        elif kind[i] == UNUSABLE:
            verdict[i] = NO_EVENT
        elif ts[i] > at[i] + max_skew:
            verdict[i] = FUTURE
        elif ts[i] < watermark:
            verdict[i] = LATE
        elif key[i] >= 0 and held[key[i]] >= max(watermark, 0):
            verdict[i] = REPEATED
        else:
            verdict[i] = ACCEPTED
            watermark = max(watermark, ts[i] - lateness)
            if key[i] >= 0:
                held[key[i]] = ts[i]
    return verdict, watermark


@njit(cache=True)  # type: ignore[untyped-decorator]
def join(
    kind: Array,
    ts: Array,
    user: Array,
    item: Array,
    lists: Array,
    slot: Array,
    window: int,
    memory: int,
    imp_ts: Array,
    imp_clicked: Array,
    imp_row: Array,
    past_item: Array,
    past_ts: Array,
    past_count: Array,
    rows: int,
    row_ts: Array,
    row_decided: Array,
    row_user: Array,
    row_item: Array,
    row_lists: Array,
    row_slot: Array,
    row_label: Array,
    row_done: Array,
    row_history: Array,
    history: Array,
) -> tuple[Array, int, Array, Array]:
    """Takes n events, sorted by (ts, user, then ties); changes the state it is given in place.

    kind, ts, user, item, lists, slot [n] (slot -1: a click without impression_id). By slot: imp_ts the last
    impression's ts or NEVER, imp_clicked whether a click was counted for it, imp_row its row. By user:
    past_item, past_ts [users, HISTORY] rings of positives, past_count how many there ever were. Rows of
    samples from `rows` on: row_* [capacity], row_history [capacity + 1] offsets into `history`.
    Returns the outcome of each event [n], the number of rows now, the rows that are decided, and the users
    that got a positive (with repetitions).
    """
    outcome = np.empty(len(kind), np.int8)
    decided = np.empty(len(kind), np.int64)
    positive_user = np.empty(len(kind), np.int32)
    n_decided, n_positive = 0, 0
    start = 0
    while start < len(kind):
        # Events of one user and one time do not see each other's positives.
        stop = start + 1
        while stop < len(kind) and ts[stop] == ts[start] and user[stop] == user[start]:
            stop += 1
        now, who = ts[start], user[start]
        first_positive = n_positive
        first_decided = n_decided
        for i in range(start, stop):
            s = slot[i]
            if kind[i] == IMPRESSION and imp_ts[s] != NEVER and now < imp_ts[s] + window + memory:
                outcome[i] = DUPLICATE
            elif kind[i] == IMPRESSION or s < 0:
                outcome[i] = USED
                row_ts[rows] = now
                row_user[rows] = who
                row_item[rows] = item[i]
                row_lists[rows] = lists[i]
                row_slot[rows] = s
                end = row_history[rows]
                count = past_count[who]
                for back in range(1, min(count, HISTORY) + 1):
                    history[end] = past_item[who, (count - back) % HISTORY]
                    end += 1
                row_history[rows + 1] = end
                if kind[i] == IMPRESSION:
                    row_decided[rows] = now + window
                    row_label[rows] = 0
                    row_done[rows] = False
                    imp_ts[s] = now
                    imp_clicked[s] = False
                    imp_row[s] = rows
                else:
                    row_decided[rows] = now
                    row_label[rows] = 1
                    row_done[rows] = True
                    decided[n_decided] = rows
                    n_decided += 1
                    positive_user[n_positive] = who
                    n_positive += 1
                rows += 1
            elif imp_ts[s] == NEVER or now >= imp_ts[s] + window + memory:
                outcome[i] = UNKNOWN
            elif imp_clicked[s]:
                outcome[i] = DUPLICATE
            elif now >= imp_ts[s] + window:
                outcome[i] = DELAYED
                imp_clicked[s] = True
            else:
                outcome[i] = USED
                imp_clicked[s] = True
                row = imp_row[s]
                row_decided[row] = now
                row_label[row] = 1
                row_done[row] = True
                decided[n_decided] = row
                n_decided += 1
                positive_user[n_positive] = who
                n_positive += 1
        for p in range(n_positive - first_positive):
            place = past_count[who] % HISTORY
            past_item[who, place] = row_item[decided[first_decided + p]]
            past_ts[who, place] = now
            past_count[who] += 1
        start = stop
    return outcome, rows, decided[:n_decided], positive_user[:n_positive]


@njit(cache=True)  # type: ignore[untyped-decorator]
def row_hashes(
    decided_at: Array,
    user: Array,
    item: Array,
    impression: Array,
    category_offsets: Array,
    category: Array,
    history_offsets: Array,
    history: Array,
    label: Array,
) -> Array:
    """[n] a hash of each sample's content from the hashes of its ids; its number is not part of it."""
    hashes = np.empty(len(decided_at), np.uint64)
    for i in range(len(decided_at)):
        h = _mix(np.uint64(decided_at[i]))
        h = _mix(h ^ user[i])
        h = _mix(h ^ item[i])
        h = _mix(h ^ impression[i])
        h = _mix(h ^ np.uint64(category_offsets[i + 1] - category_offsets[i]))
        for j in range(category_offsets[i], category_offsets[i + 1]):
            h = _mix(h ^ category[j])
        h = _mix(h ^ np.uint64(history_offsets[i + 1] - history_offsets[i]))
        for j in range(history_offsets[i], history_offsets[i + 1]):
            h = _mix(h ^ history[j])
        hashes[i] = _mix(h ^ np.uint64(label[i]))
    return hashes


@njit(cache=True)  # type: ignore[untyped-decorator]
def _mix(value: np.uint64) -> np.uint64:
    """splitmix64 (Steele, Lea and Flood, 2014)."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


assert CLICK > IMPRESSION  # the order of taking relies on it
