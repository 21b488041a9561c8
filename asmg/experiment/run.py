"""`asmg experiment`: what was asked as a plan, its units run or found finished, its report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from asmg.config import Settings
from asmg.experiment import paper
from asmg.experiment.bars import bars, progress
from asmg.experiment.methods import chosen, sweep_of
from asmg.experiment.outcome import write_report
from asmg.experiment.periods import Protocol, periods_of
from asmg.experiment.plan import LOCK, Plan
from asmg.experiment.presets import PAPERS_MODEL, preset
from asmg.experiment.schedule import run_all, units_of
from asmg.experiment.tune import Found, search, validation
from asmg.experiment.units import Unit
from asmg.options import settings_of, source_of
from asmg.staging import CLICK_LOGS, SHARED_ROWS, unless_set
from stream.errors import ConfigurationError
from stream.lock import hold
from stream.replay import Source

#: An impression log with labels is read as any click log is, by its column `label`.
IMPRESSIONS = "impressions"


@dataclass(frozen=True)
class Options:
    """What was written on the command line."""

    data: Path | None
    dataset: str | None
    methods: Sequence[str]
    protocol: str
    periods: int
    seeds: int
    out: Path
    jobs: int
    since: date | None = None
    until: date | None = None
    events: int | None = None
    sweep: str | None = None
    preset: str = "default"
    tune: bool = False
    sets: Sequence[str] = ()
    command: str = ""  # for the report


def experiment(options: Options, console: Console) -> Path:
    """Run what is not finished yet and write the report; the path of report.md.

    Raises: AsmgError: no such method, protocol, preset or data; a folder of another experiment; nothing to
    tune on.
    """
    protocol = _protocol(options.protocol)
    swept = sweep_of(options.sweep) if options.sweep else {}
    if swept and options.tune:
        raise ConfigurationError("--sweep and --tune each vary every method: one of them at a time")
    methods = chosen(options.methods, swept)
    settings = settings_of([*preset(options.preset), *options.sets])
    dataset, source = _opened(options, protocol, settings.stream.seed)
    plan = _plan(options, protocol, dataset, source, settings)
    if options.tune:
        validation(plan.periods, plan.scored)
    with _locked(options.out), progress(console) as shown:
        plan.check()
        if not plan.kept():
            _claim(plan, source, settings, shown)
        del source

        def run(units: Sequence[Unit], told: str) -> None:
            run_all(plan, units, options.jobs, bars(shown, plan, units, told))

        def reported(found: Mapping[str, Found]) -> Path:
            return write_report(plan, methods, options.seeds, options.command, swept, found)

        run(units_of(plan, methods, options.seeds, plan.periods), "")
        path = reported({})
        if options.tune:
            found = search(plan, methods, run)
            best = [one.best.method for one in found.values()]
            run(units_of(plan, best, options.seeds, plan.periods), "tuned")
            path = reported(found)
        return path


def _claim(plan: Plan, source: Source, settings: Settings, shown: Progress) -> None:
    """Cut the periods and write them. Raises: ConfigurationError: there are not as many as asked for."""
    task = shown.add_task("periods", total=plan.periods)
    made = periods_of(
        plan.protocol,
        plan.dataset,
        source,
        plan.periods,
        settings.stream,
        lambda share: shown.update(task, completed=int(share * plan.periods)),
        plan.trainer.negative_draw,
    )
    if len(made) != plan.periods:
        raise ConfigurationError(
            f"{source.samples:,} samples make {len(made)} periods of equal count, not {plan.periods}"
        )
    plan.claim(made)
    shown.update(task, completed=plan.periods)


def _protocol(name: str) -> Protocol:
    if name == "paper":
        return "paper"
    if name == "stream":
        return "stream"
    raise ConfigurationError(f"--protocol is 'paper' or 'stream', not '{name}'")


def _opened(options: Options, protocol: Protocol, seed: int) -> tuple[str, Source]:
    """The data set's name and its events; under the paper's protocol its slice, where none is asked for."""
    wanted = options.dataset
    since, until = options.since, options.until
    if protocol == "paper" and since is None and until is None and wanted in paper.SLICES:
        since, until = paper.SLICES[wanted]
    read_as = "clicks" if wanted == IMPRESSIONS else wanted
    found, source = source_of(
        options.data, read_as, since=since, until=until, events=options.events, seed=seed
    )
    if wanted == IMPRESSIONS and source.events["impression_id"].null_count == len(source):
        raise ConfigurationError(f"{options.data}: has no column 'label': its dataset is clicks")
    if wanted is None and protocol == "paper" and found in paper.SLICES:
        return _opened(replace(options, dataset=found), protocol, seed)
    return wanted or found, source


def _plan(options: Options, protocol: Protocol, dataset: str, source: Source, settings: Settings) -> Plan:
    """In a stream the users of a click log share rows, as in the demo, and under the paper's protocol the
    base model is the paper's, unless a setting says otherwise."""
    trainer, stream = settings.trainer, settings.stream
    usual: dict[str, object] = {}
    if protocol == "paper":
        usual = dict(PAPERS_MODEL)
    elif dataset in CLICK_LOGS:
        usual = {"user_rows": SHARED_ROWS}
    trainer = unless_set(trainer, usual)
    if options.periods < 2:
        raise ConfigurationError("--periods: 2 or more, for a model is scored on the period after it")
    return Plan(
        folder=options.out,
        dataset=dataset,
        source=source.name,
        protocol=protocol,
        periods=options.periods,
        trainer=trainer,
        metagen=settings.metagen,
        seed=stream.seed,
        stream={"window": stream.window, "memory": stream.memory, "lateness": stream.lateness},
    )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The folder to ourselves. Raises: ConfigurationError: another process has it, or it cannot be made."""
    try:
        lock = hold(folder / LOCK, ConfigurationError(f"another experiment is running in {folder}"))
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written: {error.strerror}") from error
    with lock:
        yield
