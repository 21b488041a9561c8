"""Units in an order in which bases come first, here or in several processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait

from asmg.experiment.methods import Method, needed
from asmg.experiment.plan import Plan
from asmg.experiment.units import Unit, run_unit

#: Seconds between two looks at what other processes have finished.
GLANCE = 0.5

#: Told a unit and how many of its lines are finished.
Tell = Callable[[Unit, int], None]


def units_of(plan: Plan, methods: Sequence[Method], runs: int, until: int) -> list[Unit]:
    """What these methods need with the first so many seeds, up to a period.

    What others begin as comes first, up to its Θ_0 where nothing else needs it; then bases, then generators.
    """
    reach: dict[str, tuple[Method, int]] = {}
    if plan.pretrained:
        reach |= {one.begins_as.name: (one.begins_as, plan.pretrained) for one in methods}
    reach |= {one.name: (one, until) for one in needed(methods)}
    return [Unit(method, run, to) for run in range(runs) for method, to in reach.values()]


def run_all(plan: Plan, units: Sequence[Unit], jobs: int, tell: Tell) -> None:
    """Finish all units, which are in the order of `units_of`, at most `jobs` at a time."""
    if jobs > 1:
        _run_in_processes(plan, units, jobs, tell)
        return
    for unit in units:
        run_unit(plan, unit, _Counter(unit, unit.finished(plan), tell))


class _Counter:
    """Tells one more line each time it is called."""

    def __init__(self, unit: Unit, finished: int, tell: Tell) -> None:
        self.unit, self.finished, self.tell = unit, finished, tell

    def __call__(self) -> None:
        self.finished += 1
        self.tell(self.unit, self.finished)


def _run_in_processes(plan: Plan, units: Sequence[Unit], jobs: int, tell: Tell) -> None:
    """A unit waits for its base, and for what it begins as."""
    waiting = [one for one in units if one.finished(plan) < one.lines(plan)]
    running: dict[Future[None], Unit] = {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context) as pool:
        try:
            while waiting or running:
                unfinished = {(one.method.name, one.run) for one in [*waiting, *running.values()]}
                ready = [one for one in waiting if _ready(one, unfinished)]
                for unit in ready[: jobs - len(running)]:
                    waiting.remove(unit)
                    running[pool.submit(run_unit, plan, unit)] = unit
                over, _ = wait(running, GLANCE, FIRST_COMPLETED)
                for unit in running.values():
                    tell(unit, unit.finished(plan))
                for future in over:
                    del running[future]
                    future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _ready(unit: Unit, unfinished: set[tuple[str, int]]) -> bool:
    method, run = unit.method, unit.run
    before = {method.base, method.begins_as.name} - {method.name}
    return all((one, run) not in unfinished for one in before)
