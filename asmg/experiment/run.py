"""`asmg experiment`: what was asked as a plan, its units run or found finished, its report."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from asmg.config import Settings
from asmg.experiment import draw, paper, report
from asmg.experiment.ledger import write_whole
from asmg.experiment.methods import Method, chosen, needed, sweep_of
from asmg.experiment.periods import Protocol, periods_of
from asmg.experiment.plan import LOCK, Plan
from asmg.experiment.schedule import run_all
from asmg.options import settings_of, source_of
from asmg.staging import CLICK_LOGS, SHARED_ROWS
from stream.errors import ConfigurationError
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
    sets: Sequence[str] = ()
    command: str = ""  # for the report


def experiment(options: Options, console: Console) -> Path:
    """Run what is not finished yet and write the report; the path of report.md.

    Raises: AsmgError: no such method, protocol or data; a folder of another experiment.
    """
    protocol = _protocol(options.protocol)
    swept = sweep_of(options.sweep) if options.sweep else {}
    methods = chosen(options.methods, swept)
    settings = settings_of(options.sets)
    dataset, source = _opened(options, protocol, settings.stream.seed)
    plan = _plan(options, protocol, dataset, source, settings)
    with _locked(options.out), _progress(console) as progress:
        plan.check()
        if not plan.kept():
            task = progress.add_task("periods", total=plan.periods)
            made = periods_of(
                protocol,
                dataset,
                source,
                plan.periods,
                settings.stream,
                lambda share: progress.update(task, completed=int(share * plan.periods)),
            )
            if len(made) != plan.periods:
                raise ConfigurationError(
                    f"{source.samples:,} samples make {len(made)} periods of equal count, not {plan.periods}"
                )
            plan.claim(made)
            progress.update(task, completed=plan.periods)
        del source
        wanted = needed(methods)
        run_all(plan, wanted, options.seeds, options.jobs, _bars(progress, plan, wanted, options.seeds))
        return _reported(plan, methods, options, swept)


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
    """In a stream the users of a click log share rows, as in the demo, unless a setting says otherwise."""
    trainer, stream = settings.trainer, settings.stream
    if protocol == "stream" and dataset in CLICK_LOGS and "user_rows" not in trainer.model_fields_set:
        trainer = trainer.model_copy(update={"user_rows": SHARED_ROWS})
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
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("w")
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigurationError(f"another experiment is running in {folder}") from error
        yield


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("periods"),
        TimeElapsedColumn(),
        console=console,
    )


def _bars(
    progress: Progress, plan: Plan, methods: Sequence[Method], runs: int
) -> Callable[[Method, int, int], None]:
    """A bar for each method, over all its seeds; finished periods are there from the start."""
    whole = plan.periods - max(plan.pretrained - 1, 0)  # lines of a base; pre-training is one
    of = {one.name: whole - (one.metagen is not None and plan.pretrained > 0) for one in methods}
    lines = {one.name: [len(plan.ledger(one.name, run).lines) for run in range(runs)] for one in methods}
    tasks = {
        name: progress.add_task(name, total=of[name] * runs, completed=sum(done))
        for name, done in lines.items()
    }

    def tell(method: Method, run: int, finished: int) -> None:
        lines[method.name][run] = finished
        progress.update(tasks[method.name], completed=sum(lines[method.name]))

    return tell


def _reported(
    plan: Plan, methods: Sequence[Method], options: Options, swept: Mapping[str, Sequence[object]]
) -> Path:
    """report.json, report.md and the figures of what is finished."""
    runs = {
        one.name: [plan.ledger(one.name, run).lines for run in range(options.seeds)]
        for one in needed(methods)
    }
    bases = {one.name: one.base for one in needed(methods)}
    first = max(plan.pretrained, 1) + 1
    made = report.figures(plan.dataset, plan.protocol, plan.periods, runs, bases, first)
    asked = [one.name for one in methods]
    made["methods"] = {name: made["methods"][name] for name in asked}
    images = draw.per_period(made, plan.folder)
    for field, values in swept.items():
        images += draw.sweep(made, plan.folder, field, values)
    told = json.dumps(plan.settings(), indent=2)
    text = report.markdown(made, options.command, options.seeds, told, images)
    write_whole(plan.folder / "report.json", json.dumps(made, indent=2, allow_nan=False).encode() + b"\n")
    write_whole(plan.folder / "report.md", text.encode())
    return plan.folder / "report.md"
