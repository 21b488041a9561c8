"""What windowing remembers, in bytes each: the figures in the descriptions of the settings that bound it.

    python -m bench.window_memory

Each case runs in a process of its own, twice, with so many and with four times as many of what it counts:
the difference of resident memory, divided by the difference in number, is what one costs. Columns grow by
doubling, so up to twice the columns' part may be held for a while.
"""

from __future__ import annotations

import ctypes
import gc
import json
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np
import psutil

from stream.settings import StreamSettings
from stream.window.log import Log
from stream.window.partition import Partition

#: Of each thing: so many, and four times as many.
FEW, MANY = 100_000, 400_000
USERS, ITEMS, STEP = 20_000, 20_000, 8192
HOUR = 3_600_000  # ms: longer than any of these logs

#: An event as JSON has it.
Event = dict[str, str | int]

#: What is counted -> settings that keep it, whether users have 30 positives before, what an event is.
CASES = {
    "lateness: an impression that waits to be taken": ({"lateness": HOUR}, False, "impression"),
    "lateness: a click that waits to be taken": ({"lateness": HOUR}, False, "click"),
    "window: an open impression of a user without a history": ({"window": HOUR}, False, "impression"),
    "window: an open impression of a user with 30 positives": ({"window": HOUR}, True, "impression"),
    "memory: an impression that is decided and remembered": ({"memory": HOUR}, False, "impression"),
    "always: a user with 30 positives": ({}, False, "positives"),
    "always: an item": ({}, False, "item"),
}


def measured(case: str, number: int) -> int:
    """Bytes of resident memory once `number` of what the case counts are held."""
    kept, histories, kind = CASES[case]
    told = {"period_count": 1, "lateness": 0, "window": 1, "memory": 1} | kept
    state, ts = Partition(StreamSettings.model_validate(told)), 1_000_000
    if histories:
        ts = _feed(state, _positives(USERS, ts), ts)
    _feed(state, {"positives": _positives, "item": _items}.get(kind, _shown(kind))(number, ts), ts)
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return int(psutil.Process().memory_info().rss)


def _feed(state: Partition, events: Iterator[Event], ts: int) -> int:
    """The events, stepwise; the time of the last."""
    waiting: list[bytes | None] = []
    offset = 0
    for one in events:
        ts = int(one["ts"])
        waiting.append(json.dumps(one).encode())
        if len(waiting) == STEP:
            offset = _step(state, waiting, offset, ts)
            waiting = []
    _step(state, waiting, offset, ts)
    return ts


def _step(state: Partition, values: list[bytes | None], offset: int, ts: int) -> int:
    offsets = list(range(offset, offset + len(values)))
    state.step(Log(values, offsets, [ts + HOUR] * len(values), [None] * len(values), [-1] * len(values)))
    return offset + len(values)


def _shown(kind: str) -> Callable[[int, int], Iterator[Event]]:
    def events(number: int, ts: int) -> Iterator[Event]:
        random = np.random.default_rng(0)
        for one in range(number):
            user, item = random.integers(0, USERS), random.integers(0, ITEMS)
            yield {
                "type": kind, "impression_id": f"impression-{one:08}", "user_id": f"user-{user:08}",
                "item_id": f"item-{item:08}", "ts": ts + one,
            }  # fmt: skip

    return events


def _positives(users: int, ts: int) -> Iterator[Event]:
    for one in range(30 * users):
        yield {
            "type": "click",
            "user_id": f"user-{one // 30:08}",
            "item_id": f"item-{one % ITEMS:08}",
            "ts": ts + one,
        }


def _items(number: int, ts: int) -> Iterator[Event]:
    for one in range(number):
        yield {"type": "click", "user_id": "user", "item_id": f"item-{one:08}", "ts": ts + one}


def _asked(case: str, number: int) -> int:
    words = [sys.executable, "-m", "bench.window_memory", case, str(number)]
    return int(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    if sys.argv[1:]:
        print(measured(sys.argv[1], int(sys.argv[2])))
    else:
        for name in CASES:
            small, large = FEW, MANY
            if CASES[name][2] == "positives":  # 30 events each
                small, large = FEW // 10, MANY // 10
            few, many = (_asked(name, number) for number in (small, large))
            print(f"{(many - few) / (large - small):6.0f} bytes  {name}", flush=True)
