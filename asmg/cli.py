"""The command line: each command is one worker with the same configuration, and errors are one line.

What a command needs is imported by the command: `asmg --help` waits for neither torch nor Kafka.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from asmg.dead.commands import dead_letters
from asmg.flags import Data, Dataset, Events, Home, Json, Pace, Set, Since, Speed, Until
from asmg.models.commands import models
from stream.errors import AsmgError, ConfigurationError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
bench = typer.Typer(no_args_is_help=True, help="Measure what the project promises.")
app.add_typer(bench, name="bench")
datasets = typer.Typer(no_args_is_help=True, help="Public data sets to run it on.")
app.add_typer(datasets, name="data")
app.add_typer(models, name="models")
app.add_typer(dead_letters, name="dead-letters")


@app.callback()
def _asmg() -> None:
    """A streaming online-learning recommender on Kafka (ASMG)."""


@app.command("demo")
def _demo(
    data: Data = None,
    dataset: Dataset = None,
    periods: Annotated[
        int | None, typer.Option(min=1, help="Periods of equal count; else as configured, or 31.")
    ] = None,
    since: Since = None,
    until: Until = None,
    events: Events = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures there.")] = None,
    exit_when_done: Annotated[bool, typer.Option("--exit-when-done", help="End after the table.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave page and API up until Ctrl-C.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the demo that was stopped.")] = False,
    pace: Pace = "trained",
    speed: Speed = "max",
    window_workers: Annotated[int, typer.Option(min=1, help="Processes that share the windowing.")] = 1,
    live: Annotated[
        bool, typer.Option("--live", help="Run the live view too; it takes CPU from the rest.")
    ] = False,
    archive: Annotated[bool, typer.Option("--archive", help="Archive the samples of periods too.")] = False,
    home: Annotated[Path | None, typer.Option(help="The demo's own folder; else `home`/demo.")] = None,
    choices: Set = None,
) -> None:
    """Run the whole loop on a data set: events, periods, both models, serving, the page."""
    from asmg.demo import Options, demo
    from asmg.home import Told

    told = Told(
        data=str(data.absolute()) if data else None,
        dataset=dataset,
        periods=periods,
        since=str(since) if since else None,
        until=str(until) if until else None,
        events=events,
        sets=tuple(choices or ()),
    )
    options = Options(
        told=told,
        home=home,
        json=json,
        resume=resume,
        keep=keep or (sys.stdout.isatty() and not exit_when_done),
        pace=pace,
        speed=speed,
        windows=window_workers,
        live=live,
        archive=archive,
    )
    raise typer.Exit(demo(options))


@app.command("replay")
def _replay(
    data: Data = None,
    dataset: Dataset = None,
    since: Since = None,
    until: Until = None,
    events: Events = None,
    speed: Speed = "max",
    pace: Pace = "max",
    metrics_port: Annotated[int, typer.Option(help="Prometheus on 127.0.0.1; 0: none.")] = 0,
    home: Home = None,
    choices: Set = None,
) -> None:
    """Send a data set to Kafka as live events; goes on where an earlier run stopped."""
    from asmg.options import pace_of, settings_of, source_of, speed_of
    from asmg.workers import run_replay

    settings, factor, kept = settings_of(choices, home), speed_of(speed), pace_of(pace)
    _, source = source_of(
        data,
        dataset,
        since=since,
        until=until,
        events=events,
        seed=settings.stream.seed,
    )
    sent = run_replay(settings, source, factor, kept, metrics_port)
    typer.echo(f"{source.name}: {sent:,} events sent, {len(source):,} in all", err=True)


@app.command("warmup")
def _warmup(
    data: Data = None,
    dataset: Dataset = None,
    periods: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Last periods of history, learnt one by one; those before pre-train the base model. "
            "Else as many as a generator takes until it may serve, or half of all.",
        ),
    ] = None,
    since: Since = None,
    until: Until = None,
    events: Events = None,
    archive: Annotated[
        str | None,
        typer.Option(metavar="PREFIX", help="Instead of --data what was archived under that kafka.prefix."),
    ] = None,
    as_json: Json = False,
    home: Home = None,
    choices: Set = None,
) -> None:
    """Learn a history of clicks offline, before everything else: the live loop goes on where it ends."""
    from asmg.options import settings_of, source_of
    from asmg.workers import run_warmup
    from stream.topics import Topics

    settings = settings_of(choices, home)
    settings.stream.shape()  # before data are read for nothing
    if archive is not None:
        if any(one is not None for one in (data, dataset, since, until, events)):
            raise ConfigurationError("--archive is all of an archive: leave --data and its flags away")
        raise typer.Exit(run_warmup(settings, Topics(archive), periods, as_json=as_json))
    _, source = source_of(
        data,
        dataset,
        since=since,
        until=until,
        events=events,
        seed=settings.stream.seed,
    )
    raise typer.Exit(run_warmup(settings, source, periods, as_json=as_json))


@app.command("ingest")
def _ingest(home: Home = None, choices: Set = None) -> None:
    """Bring your own topics into events, as [[ingest.sources]] maps them; goes on where it was stopped."""
    from asmg.options import settings_of
    from asmg.workers import run_ingest

    run_ingest(settings_of(choices, home))


@app.command("check")
def _check(
    topic: Annotated[
        list[str] | None, typer.Option("--topic", help="Topics to look at; else those that are mapped.")
    ] = None,
    records: Annotated[int, typer.Option(min=1, help="Newest records of a topic that are read.")] = 5_000,
    as_json: Json = False,
    home: Home = None,
    choices: Set = None,
) -> None:
    """Look at your own topics: what ingest makes of them, what it drops and why; else propose a mapping."""
    from asmg.check import check
    from asmg.options import settings_of

    raise typer.Exit(check(settings_of(choices, home), topic or [], records, as_json=as_json))


@app.command("window")
def _window(home: Home = None, choices: Set = None) -> None:
    """Join impressions and clicks to numbered samples, and close periods."""
    from asmg.options import settings_of
    from asmg.workers import run_window

    run_window(settings_of(choices, home))


@app.command("archive")
def _archive(home: Home = None, choices: Set = None) -> None:
    """Put the samples of every period into the store: models can be made again after Kafka has forgotten."""
    from asmg.options import settings_of
    from asmg.workers import run_archive

    run_archive(settings_of(choices, home))


@app.command("train")
def _train(home: Home = None, choices: Set = None) -> None:
    """Score and update the base model on each period that closes."""
    from asmg.options import settings_of
    from asmg.workers import run_train

    run_train(settings_of(choices, home))


@app.command("metagen")
def _metagen(home: Home = None, choices: Set = None) -> None:
    """Train the generator on each period, generate the model to serve, and decide whether it serves."""
    from asmg.options import settings_of
    from asmg.workers import run_metagen

    run_metagen(settings_of(choices, home))


@app.command("shadow")
def _shadow(home: Home = None, choices: Set = None) -> None:
    """Run the methods of trainer.shadow beside what serves, on the same periods, to be compared with it."""
    from asmg.options import settings_of
    from asmg.workers import run_shadow

    run_shadow(settings_of(choices, home))


@app.command("serve")
def _serve(home: Home = None, choices: Set = None) -> None:
    """Answer over HTTP with the newest model that the gate lets through; the live page."""
    from asmg.options import settings_of
    from asmg.workers import run_serve

    run_serve(settings_of(choices, home))


@app.command("live")
def _live(home: Home = None, choices: Set = None) -> None:
    """Show the stream as metrics: rates, click-through, items, their drift, late and dead events."""
    from asmg.options import settings_of
    from asmg.workers import run_live

    run_live(settings_of(choices, home))


@app.command("status")
def _status(
    as_json: Json = False,
    watch: Annotated[bool, typer.Option("--watch", help="Draw it anew until Ctrl-C.")] = False,
    home: Home = None,
    choices: Set = None,
) -> None:
    """How far each stage is, and all that the page shows: health, requests, processes, scores, periods."""
    from asmg.options import settings_of
    from asmg.status import status

    status(settings_of(choices, home), as_json=as_json, watched=watch)


@app.command("forget")
def _forget(
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id, as in events.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
    dry: Annotated[bool, typer.Option("--dry-run", help="Tell what would be done, and do nothing.")] = False,
    as_json: Json = False,
    home: Home = None,
    choices: Set = None,
) -> None:
    """Take a user out of histories, archive, tables and snapshots, and say what cannot be reached."""
    import msgspec
    from rich.console import Console

    from asmg.forgetting.run import forget, told
    from asmg.options import settings_of
    from asmg.report import console

    def sure() -> None:
        if not yes:
            typer.confirm(f"Forget user {user!r}? It cannot be undone", abort=True, err=True)

    rows = forget(settings_of(choices, home), user, dry=dry, sure=sure, console=Console(stderr=True))
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(rows), indent=1).decode())
        return
    console().print(told(rows))


@app.command("experiment")
def _experiment(
    methods: Annotated[str, typer.Option(help="Names, separated by commas; iu always runs.")],
    out: Annotated[Path, typer.Option(help="Folder of the outcome; what is finished there is kept.")],
    data: Data = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="movielens, tmall, sobazaar, clicks, impressions or synthetic; else detected."),
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="'paper': ids, filters, negatives from all of the data; or 'stream'.")
    ] = "stream",
    periods: Annotated[int, typer.Option(min=2, help="Periods of equal count.")] = 31,
    seeds: Annotated[int, typer.Option(min=1, help="Runs, each with a seed of its own.")] = 3,
    jobs: Annotated[int, typer.Option(min=1, help="Processes; with more than 1 seconds are longer.")] = 1,
    sweep: Annotated[
        str | None, typer.Option(metavar="k=1..6", help="Or d=4,8,12,16: every generator with each value.")
    ] = None,
    preset: Annotated[
        str, typer.Option(help="'paper': the paper's learning rates and batch; --set comes before it.")
    ] = "default",
    tune: Annotated[
        bool, typer.Option("--tune", help="Also each method with settings found on validation periods.")
    ] = False,
    since: Since = None,
    until: Until = None,
    events: Events = None,
    choices: Set = None,
) -> None:
    """Compare methods offline, period by period: tables, figures, JSON; goes on where it was stopped."""
    import shlex

    from rich.console import Console

    from asmg.experiment.run import Options, experiment

    options = Options(
        data=data,
        dataset=dataset,
        methods=[name.strip() for name in methods.split(",") if name.strip()],
        protocol=protocol,
        periods=periods,
        seeds=seeds,
        out=out,
        jobs=jobs,
        since=since,
        until=until,
        events=events,
        sweep=sweep,
        preset=preset,
        tune=tune,
        sets=tuple(choices or ()),
        command=shlex.join(["asmg", *sys.argv[1:]]),
    )
    typer.echo(experiment(options, Console(stderr=True)))


@datasets.command("get")
def _data_get(
    dataset: Annotated[str, typer.Argument(metavar="NAME", help="movielens-small or movielens-25m.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of archive and data; else `data_dir`, or data.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Download, check and unpack a data set; prints its folder. Goes on where it was stopped."""
    from asmg.data_get import data_get

    data_get(dataset, out, as_json=as_json)


@bench.command("stream")
def _bench_stream(
    data: Data = None,
    dataset: Dataset = None,
    events: Annotated[int, typer.Option(min=1, help="Clicks to make up without --data.")] = 500_000,
    periods: Annotated[int, typer.Option(min=1, help="Periods of equal count.")] = 31,
    as_json: Json = False,
    choices: Set = None,
) -> None:
    """Events/s of joining and closing with everything else idle, beside those of reading alone."""
    from asmg.bench_stream import bench_stream

    bench_stream(data, dataset, events=events, periods=periods, as_json=as_json, sets=tuple(choices or ()))


def main() -> None:
    """Run a command; an error of ours is one line on stderr and exit status 1."""
    try:
        app()
    except AsmgError as error:
        sys.exit(f"asmg: {error}")
