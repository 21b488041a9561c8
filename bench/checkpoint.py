"""`python -m bench.checkpoint`: what it takes to save and to take up a partition of windowing.

The time of taking up has to grow with the state, and not with how long the log was that made it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import numpy as np
from rich.console import Console
from rich.table import Table

from stream.settings import StreamSettings
from stream.store import ParquetStore
from stream.window.checkpoint import pasts_table, rest_table, restore
from stream.window.log import Log
from stream.window.partition import Partition

#: Impressions that wait for their click, or its absence, when the checkpoint is taken.
PENDING = 2_000

#: Records of a step.
STEP = 20_000

Found = TypeVar("Found")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m bench.checkpoint", description=__doc__)
    parser.add_argument("--users", type=int, nargs="+", default=[10_000, 100_000], help="who have positives")
    parser.add_argument("--clicks", type=int, nargs="+", default=[10, 40, 160], help="per user, of the log")
    parser.add_argument("--repeats", type=int, default=3, help="of which the median is told")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    with console.status("measuring"):
        measured(10, 1, 1)  # compiles what is compiled
        found = [
            measured(users, clicks, options.repeats) for users in options.users for clicks in options.clicks
        ]
    if options.json:
        print(json.dumps(found, indent=2))
        return
    table = Table(*found[0], title="a partition's checkpoint; a history holds 30 positives at most")
    for row in found:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else f"{value:.3f}" for value in row.values()))
    Console().print(table)


def measured(users: int, clicks: int, repeats: int) -> dict[str, Any]:
    """Seconds to make the state from the log, to save it and to take it up, and bytes on disk."""
    settings = StreamSettings(period_count=1, lateness=0, window=60_000)
    state = Partition(settings)
    began = time.perf_counter()
    for log in logs(users, clicks):
        state.step(log)
    made = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        store = ParquetStore(Path(folder))
        saved, names = _timed(lambda: (store.put(pasts_table(state)), store.put(rest_table(state, 0, 1))))
        taken = median(
            _timed(lambda: restore(settings, [store.get(names[0])], store.get(names[1]), 0, 1))[0]
            for _ in range(repeats)
        )
        size = sum(one.stat().st_size for one in Path(folder).rglob("*.parquet"))
    return {
        "users": users,
        "events in the log": users * clicks + PENDING,
        "log read, s": made,
        "saved, s": saved,
        "taken up, s": taken,
        "log / taken up": made / taken,
        "bytes": size,
    }


def logs(users: int, clicks: int) -> list[Log]:
    """Clicks of every user in turn, on items by chance, then impressions that are still open."""
    random = np.random.default_rng(0)
    count = users * clicks
    items = random.integers(0, 10_000, count).tolist()
    values: list[bytes | None] = [
        b'{"type":"click","user_id":"user-%d","item_id":"item-%d","ts":%d}' % (n % users, items[n], n)
        for n in range(count)
    ]
    values += [
        b'{"type":"impression","impression_id":"p%d","user_id":"user-%d","item_id":"item-1","ts":%d}'
        % (n, n % users, count)
        for n in range(PENDING)
    ]
    return [
        Log(
            values=values[first : first + STEP],
            offsets=list(range(first, min(first + STEP, len(values)))),
            timestamps=[count] * len(values[first : first + STEP]),
            sources=[None] * len(values[first : first + STEP]),
            rows=[-1] * len(values[first : first + STEP]),
        )
        for first in range(0, len(values), STEP)
    ]


def _timed(work: Callable[[], Found]) -> tuple[float, Found]:
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found


if __name__ == "__main__":
    main()
