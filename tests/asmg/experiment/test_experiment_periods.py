"""Periods under the protocol `stream` are those of the live loop."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asmg.experiment.periods import periods_of, windowed
from stream.close.cut import Cutter
from stream.errors import ConfigurationError
from stream.replay import Choices, Source, open_source
from stream.replay.encode import Encoder
from stream.samples import Samples
from stream.settings import StreamSettings
from stream.window.log import Log, tick
from stream.window.partition import Partition

SETTINGS = StreamSettings()


def plain(samples: Samples) -> list[tuple[Any, ...]]:
    """All that training reads of each sample, in words."""
    users, items, categories = (one.to_pylist() for one in (samples.users, samples.items, samples.categories))

    def lists(offsets: np.ndarray, codes: np.ndarray, names: list[str]) -> list[list[str]]:
        return [[names[code] for code in codes[start:stop]] for start, stop in pairwise(offsets)]

    return list(
        zip(
            samples.decided_at.tolist(),
            [users[code] for code in samples.user],
            [items[code] for code in samples.item],
            samples.impression_id.to_pylist(),
            samples.label.tolist(),
            lists(samples.category_offsets, samples.category, categories),
            lists(samples.history_offsets, samples.history, items),
            strict=True,
        )
    )


def live(source: Source, count: int, partitions: int) -> list[list[int]]:
    """Row hashes of each period as several window workers and the closer make them, a chunk at a time."""
    size = -(-source.samples // count)
    encoder, ts = Encoder(source.events), source.events["ts"].to_numpy()
    of = encoder.partitions(partitions)
    workers = [Partition(SETTINGS) for _ in range(partitions)]
    cutter, held, found = Cutter(partitions, size, None), [Samples.empty()] * partitions, []
    ends = tick(int(ts[-1]) + SETTINGS.lateness + SETTINGS.window + 1, end=True)
    for start in [*range(0, len(source), 997), len(source)]:
        last = start == len(source)
        part = [] if last else encoder.encode(start, min(start + 997, len(source)))
        moved = ends if last else tick(int(ts[part[-1][2]]) - SETTINGS.lateness)
        for place, worker in enumerate(workers):
            mine = [(value, row) for _, value, row in part if of[row] == place]
            values, rows = [value for value, _ in mine], [row for _, row in mine]
            at = [int(ts[-1])] * (len(rows) + 1)
            log = Log(
                [*values, moved], [*rows, start + 997], at, [b"s"] * len(at), [*rows, rows[-1] if rows else 0]
            )
            for step in worker.step(log):
                held[place] = Samples.concat([held[place], step.samples])
                cutter.add(place, step.samples, step.watermark, step.ends)
        for cut in cutter.cuts():
            parts = [held[place].take(np.arange(*cut.samples[place])) for place in range(partitions)]
            both = Samples.concat(parts)
            found.append(both.row_hash[both.in_order()].tolist())
    return found


def test_impressions_make_the_periods_that_four_partitions_and_the_closer_make() -> None:
    source = open_source("synthetic", None, Choices(events=6_000))
    found = periods_of("stream", "synthetic", source, 7, SETTINGS)
    assert len(found) == 7
    assert [one.row_hash.tolist() for one in found] == live(source, 7, partitions=4)


def test_clicks_all_at_once_are_the_periods_that_windowing_makes(click_log: Path) -> None:
    source = open_source("clicks", click_log)
    fast = periods_of("stream", "clicks", source, 7, SETTINGS)
    slow = list(windowed(source, 7, SETTINGS))
    assert [len(one) for one in fast] == [58] * 6 + [52]
    assert [plain(one) for one in fast] == [plain(one) for one in slow]


def test_more_periods_than_samples_are_refused(click_log: Path) -> None:
    with pytest.raises(ConfigurationError, match="400 samples cannot make 401 periods"):
        periods_of("stream", "clicks", open_source("clicks", click_log), 401, SETTINGS)
