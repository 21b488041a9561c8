"""`python -m deploy.kafka start|stop|status FOLDER`: three Kafka nodes without Docker."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stream.broker.cluster import Cluster
from stream.errors import AsmgError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Three Kafka nodes on 127.0.0.1 from the jars of the embedded one; data lie in FOLDER.",
)

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="What the nodes hold; theirs alone.")]


@app.command("start")
def _start(folder: Folder) -> None:
    """Start those that do not run, wait until all answer, and print their addresses."""
    with Console(stderr=True).status("waiting for three nodes"):
        bootstrap = Cluster(folder).start().bootstrap
    typer.echo(bootstrap)
    typer.echo(f"asmg ... --set kafka.bootstrap={bootstrap} --set kafka.replication=3", err=True)


@app.command("stop")
def _stop(folder: Folder) -> None:
    """Stop all nodes; what they hold stays."""
    Cluster(folder).stop()


@app.command("status")
def _status(folder: Folder) -> None:
    """Each node, its address and its process. Exit status 1 unless all run."""
    cluster = Cluster(folder)
    pids = cluster.pids
    for number, address in enumerate(cluster.bootstrap.split(","), 1):
        typer.echo(f"node {number}  {address}  {f'pid {pids[number]}' if number in pids else 'down'}")
    raise typer.Exit(len(pids) < len(cluster.bootstrap.split(",")))


if __name__ == "__main__":
    try:
        app()
    except AsmgError as error:
        sys.exit(f"deploy.kafka: {error}")
