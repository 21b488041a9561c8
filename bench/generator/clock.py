"""Seconds of a piece of work, and of the functions of a module that are called meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from types import ModuleType
from typing import Any, TypeVar

import torch

T = TypeVar("T")


@dataclass(frozen=True)
class Spent:
    """What work took."""

    #: Of this process's own time on a CPU, which other work on the machine does not lengthen: with one thread
    #: that never waits it is what would pass with nothing else running. On CUDA what passed.
    seconds: float
    elapsed: float  # s that passed

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.seconds + other.seconds, self.elapsed + other.elapsed)

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.seconds - other.seconds, self.elapsed - other.elapsed)


NOTHING = Spent(0.0, 0.0)


@dataclass(frozen=True)
class Clock:
    """Times work on a device; on CUDA everything begun before and within is waited for."""

    device: torch.device

    def of(self, work: Callable[[], T]) -> tuple[T, Spent]:
        """What the work gives, and what it took."""
        self._wait()
        began, own = time.perf_counter(), time.process_time()
        result = work()
        self._wait()
        elapsed, own = time.perf_counter() - began, time.process_time() - own
        return result, Spent(elapsed if self._cuda else own, elapsed)

    def fastest(self, work: Callable[[], object], least: float = 0.3, times: int = 1) -> float:
        """Seconds of the fastest of several runs that take `least` seconds together, at least three.

        times: how often work that is short is done in a run.
        """
        work()
        runs: list[float] = []
        while len(runs) < 3 or sum(runs) < least:
            runs.append(self.of(lambda: [work() for _ in range(times)])[1].seconds)
        return min(runs) / times

    @contextmanager
    def within(self, module: ModuleType, names: Sequence[str]) -> Iterator[dict[str, Spent]]:
        """While it lasts, what calls of these functions of a module took, added up by name.

        The module's own functions are stood in for: a generator's `train` does several things of which some
        follow the size of the tables, and the parts are to be told apart in the run that is timed.
        """
        spent = dict.fromkeys(names, NOTHING)
        inner = {name: getattr(module, name) for name in names}

        def timed(name: str) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                result, took = self.of(lambda: inner[name](*args, **kwargs))
                spent[name] += took
                return result

            return call

        try:
            for name in names:
                setattr(module, name, timed(name))
            yield spent
        finally:
            for name, function in inner.items():
                setattr(module, name, function)

    @property
    def _cuda(self) -> bool:
        return self.device.type == "cuda"

    def _wait(self) -> None:
        if self._cuda:
            torch.cuda.synchronize(self.device)


def middle(runs: Sequence[Spent]) -> Spent:
    """The median of each."""
    return Spent(median(one.seconds for one in runs), median(one.elapsed for one in runs))
