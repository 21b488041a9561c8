"""IU against Θ* on DIGINETICA without Kafka: prequential scores and seconds of every period.

    OMP_NUM_THREADS=1 .venv/bin/python bench/offline_diginetica.py --seeds 0 1 2

Live from the first event, no pre-training, periods of equal count, users hashed into 20,000 rows. The mean is
over the models of periods 24-30, each scored on the next period.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from pyarrow import csv

from metagen.generators import generator_of
from metagen.periods import MetaModel
from metagen.settings import MetagenSettings
from stream.samples import HISTORY, Samples, string_ranks
from trainer.periods import BaseModel
from trainer.score import Score
from trainer.settings import TrainerSettings

PERIODS = 31
SHARED = Path(__file__).parents[2] / "shared" / "data"


def read_samples(path: Path) -> Samples:
    """The whole click log as samples in Order, with the histories windowing would give."""
    with pa.CompressedInputStream(path.open("rb"), "gzip") as stream:
        text = {"user_id": pa.string(), "item_id": pa.string()}
        table = csv.read_csv(stream, convert_options=csv.ConvertOptions(column_types=text)).combine_chunks()
    user, item = (table[name].chunk(0).dictionary_encode() for name in ("user_id", "item_id"))
    ts = table["timestamp"].to_numpy() * 1000
    users, items = user.indices.to_numpy(), item.indices.to_numpy()
    order = np.lexsort((string_ranks(item.dictionary)[items], string_ranks(user.dictionary)[users], ts))
    users, items, ts = users[order].astype(np.int32), items[order].astype(np.int32), ts[order]
    offsets, history = histories(users, items)
    n, none = len(users), np.zeros(len(users) + 1, np.int64)
    return Samples(
        number=np.arange(n), decided_at=ts, user=users, item=items, impression_id=pa.array([""] * n),
        category_offsets=none, category=np.zeros(0, np.int32), history_offsets=offsets, history=history,
        label=np.ones(n, np.int8), row_hash=np.zeros(n, np.uint64),
        users=user.dictionary, items=item.dictionary, categories=pa.array([], pa.string()),
    )  # fmt: skip


def histories(users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offsets and items of each row's at most 30 earlier rows of the same user, newest first."""
    n = len(users)
    by_user = np.argsort(users, kind="stable")
    sorted_users = users[by_user]
    begin = np.searchsorted(sorted_users, sorted_users)
    place = np.empty(n, np.int64)
    place[by_user] = np.arange(n)
    length = np.minimum(place - begin[place], HISTORY)
    offsets = np.concatenate([[0], np.cumsum(length)])
    back = np.arange(offsets[-1]) - np.repeat(offsets[:-1], length)
    return offsets, items[by_user][np.repeat(place, length) - 1 - back]


@dataclass(frozen=True)
class Row:
    """One period: both scores on D_t, and seconds of each stage."""

    theta: Score
    star: Score | None
    seconds: dict[str, float]


def run(
    samples: Samples, trainer: TrainerSettings, metagen: MetagenSettings, seed: int, periods: int
) -> Iterator[Row]:
    """The loop of the two workers, one period after the other, parts and all but the store."""
    cpu, cuts = torch.device("cpu"), len(samples) * np.arange(periods + 1) // periods
    first = samples.take(np.arange(cuts[1])).compact()
    base = BaseModel.begin(trainer, seed, cpu, first)
    meta = MetaModel(generator_of(metagen, trainer.batch, seed), trainer, seed, metagen.hidden_size, cpu)
    for number, (start, stop) in enumerate(pairwise(cuts.tolist()), start=1):
        d_t = samples.take(np.arange(start, stop)).compact()
        clock = Clock()
        period = base.read(number, d_t)
        clock.lap("read")
        theta_score = base.score(period)
        clock.lap("score")
        base.learn(period)
        clock.lap("train")
        parts = base.parts()
        clock.lap("write")
        meta.read(number, d_t)
        clock.lap("read")
        star_score = meta.score()
        clock.lap("score")
        meta.train()
        clock.lap("generate")
        meta.generate(parts)
        clock.lap("sweep")
        yield Row(theta_score, star_score, clock.seconds)


class Clock:
    """Seconds since the last lap, added up by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Book the time since the last lap on a stage."""
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self.last
        self.last = now


def report(rows: list[Row], title: str, every_period: bool) -> None:
    """The table, if wanted, and the figures of the last seven periods on one line."""
    for period, row in enumerate(rows, start=1) if every_period else ():
        star = f"{row.star.auc:.4f} {row.star.logloss:.4f}" if row.star else " " * 13
        times = " ".join(f"{stage} {spent:.2f}" for stage, spent in row.seconds.items())
        print(f"{period:3d}  Θ {row.theta.auc:.4f} {row.theta.logloss:.4f}  Θ* {star}  {times}")
    late = [row for row in rows[-7:] if row.star is not None]
    theta = np.mean([[row.theta.auc, row.theta.logloss] for row in late], 0)
    star = np.mean([[row.star.auc, row.star.logloss] for row in late if row.star], 0)
    lower = sum(row.star.logloss < row.theta.logloss for row in late if row.star)
    stages = {stage: np.median([row.seconds[stage] for row in late]) for stage in late[-1].seconds}
    times = " ".join(f"{stage} {spent:.2f}" for stage, spent in stages.items())
    print(
        f"{title}: Θ {theta[0]:.4f} / {theta[1]:.4f}  Θ* {star[0]:.4f} / {star[1]:.4f}  "
        f"gain {star[0] - theta[0]:+.4f}  lower in {lower} of {len(late)}  s: {times}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--every-period", action="store_true")
    parser.add_argument("--metagen", default="{}", help='MetagenSettings as JSON, e.g. {"residual": false}')
    parser.add_argument(
        "--trainer", default="{}", help="TrainerSettings as JSON; users are hashed unless told"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    trainer = TrainerSettings(**{"user_rows": "hash:20000"} | json.loads(options.trainer))
    metagen = MetagenSettings.model_validate_json(options.metagen)
    folder = Path(os.environ.get("ASMG_DATA_DIR", SHARED))
    samples = read_samples(folder / "diginetica" / "clicks.csv.gz")
    for seed in options.seeds:
        rows = list(run(samples, trainer, metagen, seed, PERIODS))
        report(rows, f"seed {seed} {options.metagen}", options.every_period)


if __name__ == "__main__":
    main()
