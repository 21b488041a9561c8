"""What history comes to: D_0, which Θ_0 learns, and the samples of the periods after it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from stream.close.batches import Batch, Reached
from stream.close.cut import Cut, Cutter
from stream.errors import ConfigurationError, DataError
from stream.history.steps import Steps
from stream.records import History
from stream.samples import Samples
from stream.settings import StreamSettings
from stream.window.kernels import NEVER
from stream.window.partition import Partition

#: Told how much is done, in [0, 1].
Tell = Callable[[float], None]


@dataclass(frozen=True)
class Division:
    """How the whole periods of a history are shared out."""

    whole: int  # that it makes
    periods: int  # the last of them, which are learnt one after the other

    @property
    def pretrained(self) -> int:
        """The first of them, which Θ_0 learns at once."""
        return self.whole - self.periods


def division(steps: Steps, settings: StreamSettings, asked: int | None, usual: int, tell: Tell) -> Division:
    """The history's whole periods counted and shared out.

    asked: how many are to be learnt one after the other; without it they are `usual`, or half of all where
    there are less than twice as many. Raises: DataError: history makes no period; ConfigurationError: fewer
    than asked for.
    """
    cutter, whole, made = _cutter(settings), 0, 0
    for done, partition, step in steps(_states(settings)):
        cutter.add(partition, step.samples, step.watermark, step.ends)
        made += len(step.samples)
        whole += len(cutter.cuts())
        tell(done)
    if not whole:
        raise DataError(
            f"history makes {made:,} samples and no whole period of them: a longer history, a smaller "
            "stream.period_count or a shorter stream.period_span is needed"
        )
    if asked is not None and asked > whole:
        raise ConfigurationError(f"--periods {asked}: history makes {whole} whole periods, and not more")
    return Division(whole, min(usual, (whole + 1) // 2) if asked is None else asked)


@dataclass(eq=False)
class Windowed:
    """History taken through windowing; `batches` does it, and the rest is known when that has ended."""

    settings: StreamSettings
    pretrained: int  # periods that are D_0
    offsets: Mapping[int, int]  # by partition, of `events`: where windowing will begin to read
    states: list[Partition] = field(init=False)
    histories: dict[tuple[int, str], History] = field(default_factory=dict)  # by partition and user
    d_0: Samples = field(default_factory=Samples.empty)  # in Order
    ends: dict[int, int] = field(init=False)  # by partition: the number behind D_0's last sample
    last: Cut | None = None  # the last that D_0 is made of

    def __post_init__(self) -> None:
        self.states = _states(self.settings)
        self.ends = dict.fromkeys(range(self.settings.partitions), 0)

    def batches(self, steps: Steps, tell: Tell) -> Iterator[tuple[bool, Batch, Reached]]:
        """Whether it is D_0's, a batch, and what the one before it in its partition had reached.

        D_0's batches are those before all others, and none holds samples of it and others.
        """
        before = {one: self._reached(one, NEVER) for one in self.ends}
        held: list[tuple[Batch, Reached]] = []  # while D_0 is open
        cutter, left = _cutter(self.settings), self.pretrained
        for done, partition, step in steps(self.states):
            reached = self._reached(partition, step.watermark)
            first = self.states[partition].number - len(step.samples)
            pair = Batch(partition, first, step.samples, reached), before[partition]
            before[partition] = reached
            self.histories |= {(partition, user): one for user, one in step.histories if one is not None}
            tell(done)
            if not left:
                yield False, *pair
                continue
            held.append(pair)
            cutter.add(partition, step.samples, step.watermark, step.ends)
            cuts = cutter.cuts()
            if len(cuts) < left:
                left -= len(cuts)
                continue
            self._close(cuts[left - 1], [batch for batch, _ in held])
            left = 0
            parts = [(inside, *part) for pair in held for inside, part in self._parts(*pair)]
            yield from (one for one in parts if one[0])
            yield from (one for one in parts if not one[0])

    @property
    def counts(self) -> dict[str, int]:
        """What became of the events, all partitions together."""
        told = [msgspec.structs.asdict(state.counts) for state in self.states]
        return {name: sum(one[name] for one in told) for name in told[0]}

    def _close(self, last: Cut, batches: list[Batch]) -> None:
        self.last = last
        self.ends = {one: stop for one, (_, stop) in last.samples.items()}
        parts = [
            batch.samples.slice(0, min(len(batch.samples), self.ends[batch.partition] - batch.first))
            for batch in batches
            if batch.first < self.ends[batch.partition]
        ]
        samples = Samples.concat(parts)
        self.d_0 = samples.take(samples.in_order()).compact()

    def _parts(self, batch: Batch, before: Reached) -> Iterator[tuple[bool, tuple[Batch, Reached]]]:
        """The batch, in two where D_0 ends in it: its first part promises no more than the batch before."""
        inside = self.ends[batch.partition] - batch.first
        if inside >= len(batch.samples):
            yield bool(len(batch.samples)), (batch, before)
        elif inside <= 0:
            yield False, (batch, before)
        else:
            yield True, (replace(batch, samples=batch.samples.slice(0, inside), reached=before), before)
            rest = batch.samples.slice(inside, len(batch.samples))
            yield False, (replace(batch, first=batch.first + inside, samples=rest), before)

    def _reached(self, partition: int, watermark: int) -> Reached:
        counts = msgspec.structs.asdict(self.states[partition].counts)
        return Reached(watermark, 0, self.offsets[partition], 0, counts, 0)


def _states(settings: StreamSettings) -> list[Partition]:
    return [Partition(settings) for _ in range(settings.partitions)]


def _cutter(settings: StreamSettings) -> Cutter:
    return Cutter(settings.partitions, settings.period_count, settings.period_span)
