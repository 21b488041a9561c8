"""A source's events through windowing without Kafka, a chunk at a time. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np

from stream.replay import Source
from stream.replay.encode import Encoder
from stream.window.log import Log, tick
from stream.window.partition import Partition, Step

#: Events that are windowed at a time.
CHUNK = 8192

#: How much is done, in [0, 1], the partition, and what some events brought about in it.
Told: TypeAlias = tuple[float, int, Step]

#: History, told as the steps of these partitions, which it takes from their beginning to its end.
Steps: TypeAlias = Callable[[Sequence[Partition]], Iterator[Told]]


def steps(source: Source, states: Sequence[Partition], chunk: int = CHUNK) -> Iterator[Told]:
    """What windowing makes of the events where so many partitions hold them, ticked as a replay ticks them.

    Every event counts as taken by Kafka at its own time, so that none is refused for lying in the future.
    """
    encoder, name = Encoder(source.events), source.name.encode()
    ts, place = source.events["ts"].to_numpy(), encoder.partitions(len(states))
    for start in range(0, len(source), chunk):
        stop = min(start + chunk, len(source))
        encoded, moved = encoder.encode(start, stop), int(ts[stop - 1])
        for partition, state in enumerate(states):
            mine = np.flatnonzero(place[start:stop] == partition).tolist()
            rows = [encoded[one][2] for one in mine]
            log = Log(
                values=[*(encoded[one][1] for one in mine), tick(moved - state.settings.lateness)],
                offsets=[*rows, stop],
                timestamps=[*ts[rows].tolist(), moved],
                sources=[name] * (len(rows) + 1),
                rows=[*rows, stop - 1],
            )
            for step in state.step(log):
                yield stop / len(source), partition, step


def until_its_end(source: Source) -> Steps:
    """The same and, once all is taken, the watermark behind the last event in every partition.

    So what the stream brings of the time before is late, being history, and nothing that comes later is.
    """

    def told(states: Sequence[Partition]) -> Iterator[Told]:
        yield from steps(source, states)
        last, row = int(source.events["ts"].to_numpy()[-1]), len(source)
        for partition, state in enumerate(states):
            for step in state.step(Log([tick(last + 1)], [row], [last], [None], [-1])):
                yield 1.0, partition, step

    return told
