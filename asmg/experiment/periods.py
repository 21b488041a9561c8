"""D_1..D_T of a data set under a protocol: `stream`, as the live loop closes them, or `paper`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Literal

import numpy as np

from asmg.experiment import paper
from asmg.experiment.rows import Sampler, rows_of
from stream.close.cut import Cutter
from stream.errors import ConfigurationError
from stream.history.steps import steps
from stream.replay import Source
from stream.samples import Samples
from stream.settings import StreamSettings
from stream.window.log import Log, tick
from stream.window.partition import Partition, Step
from trainer.settings import NegativeDraw

#: stream: nothing is known before it happened. paper: ids, filters and negatives know the whole data set.
Protocol = Literal["paper", "stream"]

#: Told how much is done, in [0, 1].
Tell = Callable[[float], None]


def periods_of(
    protocol: Protocol,
    dataset: str,
    source: Source,
    count: int,
    settings: StreamSettings,
    tell: Tell = lambda share: None,  # noqa: ARG005 named for those who pass their own
    negative_draw: NegativeDraw = "uniform",
) -> list[Samples]:
    """D_1..D_T, each in Order with dictionaries of its own; T is `count`, or less where data are few.

    settings: of the stream: window and memory of attribution, and the seed of drawn negatives (paper).
    negative_draw: paper, where negatives are drawn here; in a stream the trainer draws them.
    Raises: ConfigurationError: the data cannot make as many periods.
    """
    if not 1 <= count <= source.samples:
        raise ConfigurationError(f"{source.samples:,} samples cannot make {count:,} periods")
    if protocol == "paper":
        return paper.periods(dataset, source, count, settings.seed, negative_draw)
    if source.events["impression_id"].null_count == len(source):
        return list(_clicks(source, count))
    return list(windowed(source, count, settings, tell))


def windowed(
    source: Source,
    count: int,
    settings: StreamSettings,
    tell: Tell = lambda share: None,  # noqa: ARG005
) -> Iterator[Samples]:
    """The periods that windowing and closing make of the events when one partition holds them all.

    Periods do not depend on how many partitions there are. Every event counts as taken by Kafka at its own
    time, so that none is refused for lying in the future.
    """
    of = settings.model_copy(update={"period_count": -(-source.samples // count), "period_span": None})
    partition, cutter = Partition(of), Cutter(1, of.period_count, None)
    held = Samples.empty()  # in no period yet
    first = 0  # number of the first of them
    for done, step in _steps(source, partition):
        cutter.add(0, step.samples, step.watermark, step.ends)
        held = Samples.concat([held, step.samples])
        for cut in cutter.cuts():
            start, stop = cut.samples[0]
            yield held.take(np.arange(start - first, stop - first)).compact()
            held = held.take(np.arange(stop - first, len(held))).compact()
            first = stop
        tell(done)


def _steps(source: Source, partition: Partition) -> Iterator[tuple[float, Step]]:
    """What windowing makes of chunk after chunk, then of the end; with how much is done after each."""
    for done, _, step in steps(source, [partition]):
        yield done, step
    settings, row = partition.settings, len(source)
    last = int(source.events["ts"].to_numpy()[-1]) + settings.lateness + settings.window + 1
    for step in partition.step(Log([tick(last, end=True)], [row], [last], [None], [-1])):
        yield 1.0, step


def _clicks(source: Source, count: int) -> Iterator[Samples]:
    """The same of a log of clicks: each a sample of its own, decided when it happens."""
    rows = rows_of(source)
    sampler, size = Sampler(rows), -(-len(rows) // count)
    for start, stop in pairwise([*range(0, len(rows), size), len(rows)]):
        yield sampler.part(start, stop).compact()
