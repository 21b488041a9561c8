"""The command line: each command is one worker with the same configuration, and errors are one line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from prometheus_client import start_http_server

from asmg.broker import attached
from asmg.config import Settings, load
from stream import kafka
from stream.errors import AsmgError, ConfigurationError
from stream.replay import DATASETS, Choices, Source, detect, open_source
from stream.replay.progress import Bar
from stream.replay.worker import Plan, Trained, replay, stop_on_signals

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.NAME=VALUE", help="A setting, before environment and asmg.toml."),
]


@app.callback()
def _asmg() -> None:
    """A streaming online-learning recommender on Kafka (ASMG)."""


@app.command("replay")
def replay_command(
    data: Annotated[Path | None, typer.Option(help="Folder or file; without it the synthetic shop.")] = None,
    dataset: Annotated[str | None, typer.Option(help=f"One of {', '.join(DATASETS)}; else detected.")] = None,
    speed: Annotated[str, typer.Option(help="How many times faster than it happened, or 'max'.")] = "max",
    pace: Annotated[str, typer.Option(help="'trained': at most one closed period waits; or 'max'.")] = "max",
    metrics_port: Annotated[int, typer.Option(help="Prometheus on 127.0.0.1; 0: none.")] = 0,
    choices: Set = None,
) -> None:
    """Send a data set to Kafka as live events; goes on where an earlier run stopped."""
    settings, source = settings_of(choices), source_of(data, dataset)
    stop = stop_on_signals()
    if metrics_port:
        start_http_server(metrics_port, addr="127.0.0.1")
    with attached(settings.kafka, settings.home) as broker, Bar(source.name) as bar:
        topics = kafka.ensure_topics(broker, settings.kafka, settings.stream.partitions)
        stream = settings.stream
        plan = Plan(topics.events, stream.lateness, stream.window, speed_of(speed))
        if pace == "max":
            sent = replay(source, broker, plan, stop=stop, on_progress=bar)
        elif pace == "trained":
            trained = Trained(
                source,
                broker,
                samples=topics.samples,
                periods=topics.periods,
                serve=topics.serve,
                lateness=stream.lateness,
                ahead=max((stream.period_count or 40_000) // 4, 1),
            )
            try:
                sent = replay(source, broker, plan, stop=stop, may_send=trained, on_progress=bar)
            finally:
                trained.close()
        else:
            raise ConfigurationError(f"--pace is 'trained' or 'max', not '{pace}'")
    typer.echo(f"{source.name}: {sent:,} events sent, {len(source):,} in all", err=True)


def settings_of(flags: list[str] | None) -> Settings:
    """The settings with `--set section.name=value` before all else. Raises: ConfigurationError."""
    given: dict[str, Any] = {}
    for flag in flags or ():
        name, equals, value = flag.partition("=")
        section, dot, field = name.partition(".")
        if not (equals and dot and section and field):
            raise ConfigurationError(
                f"--set {flag}: SECTION.NAME=VALUE is expected, as in stream.lateness=90s"
            )
        given.setdefault(section, {})[field] = value
    return load(given)


def source_of(data: Path | None, dataset: str | None) -> Source:
    """The data set at a path, or the synthetic shop. Raises: DataError, ConfigurationError."""
    if dataset is None:
        dataset = "synthetic" if data is None else detect(data)
    return open_source(dataset, data, Choices())


def speed_of(speed: str) -> float:
    """How many times faster than it happened. Raises: ConfigurationError: no number above 0 nor max."""
    try:
        factor = float("inf") if speed == "max" else float(speed)
    except ValueError:
        factor = 0.0
    if not factor > 0:
        raise ConfigurationError(f"--speed is a number above 0 or 'max', not '{speed}'")
    return factor


def main() -> None:
    """Run a command; an error of ours is one line on stderr and exit status 1."""
    try:
        app()
    except AsmgError as error:
        sys.exit(f"asmg: {error}")
