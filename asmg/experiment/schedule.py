"""Units in an order in which bases come first, here or in several processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait

from asmg.experiment.methods import Method
from asmg.experiment.plan import Plan
from asmg.experiment.units import run_unit

#: Seconds between two looks at what other processes have finished.
GLANCE = 0.5

#: Told a method, a run and how many periods of it are finished.
Tell = Callable[[Method, int, int], None]

Unit = tuple[Method, int]


def run_all(plan: Plan, methods: Sequence[Method], runs: int, jobs: int, tell: Tell) -> None:
    """Every method, bases first (`methods.needed`), with every run."""
    units = [(method, run) for run in range(runs) for method in methods]
    if jobs == 1:
        for method, run in units:
            finished = len(plan.ledger(method.name, run).lines)
            for_one = _Counter(method, run, finished, tell)
            run_unit(plan, method, run, for_one)
    else:
        _run_in_processes(plan, units, jobs, tell)


class _Counter:
    """Tells one more period each time it is called."""

    def __init__(self, method: Method, run: int, finished: int, tell: Tell) -> None:
        self.method, self.run, self.finished, self.tell = method, run, finished, tell

    def __call__(self) -> None:
        self.finished += 1
        self.tell(self.method, self.run, self.finished)


def _run_in_processes(plan: Plan, units: Sequence[Unit], jobs: int, tell: Tell) -> None:
    """At most `jobs` at a time; a unit waits for its base, and for what it begins as."""
    waiting, running, finished = list(units), dict[Future[None], Unit](), set[tuple[str, int]]()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context) as pool:
        try:
            while waiting or running:
                ready = [one for one in waiting if _ready(one, finished)]
                for unit in ready[: jobs - len(running)]:
                    waiting.remove(unit)
                    running[pool.submit(run_unit, plan, *unit)] = unit
                over, _ = wait(running, GLANCE, FIRST_COMPLETED)
                for method, run in running.values():
                    tell(method, run, len(plan.ledger(method.name, run).lines))
                for future in over:
                    method, run = running.pop(future)
                    future.result()
                    finished.add((method.name, run))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _ready(unit: Unit, finished: set[tuple[str, int]]) -> bool:
    method, run = unit
    before = {method.base, method.begins_as} - {method.name}
    return all((one, run) in finished for one in before)
