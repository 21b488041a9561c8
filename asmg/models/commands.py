"""The command line of `asmg models`; what a command needs is imported by the command."""

from __future__ import annotations

import getpass
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asmg.flags import Home, Json, Set

if TYPE_CHECKING:
    from rich.console import RenderableType

    from asmg.models.registry import Registry

models = typer.Typer(no_args_is_help=True, help="What was made, of what, by which bytes; and going back.")

Model = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="star/31, theta/31, or 31: what the gate let serve after it."),
]
By = Annotated[str | None, typer.Option(metavar="NAME", help="Who says so; else your login.")]


@models.command("list")
def _list(as_json: Json = False, home: Home = None, choices: Set = None) -> None:
    """Every model, its score on the period after it, what the gate said, and which one serves."""
    from asmg.models.listing import listed, listing

    with _registry(choices, home) as found:
        rows = listed(found)
    _print(rows, listing(rows), as_json)


@models.command("show")
def _show(model: Model, as_json: Json = False, home: Home = None, choices: Set = None) -> None:
    """One model: what it was made of and told, its score, and its parts, each checked by its hash."""
    from asmg.models.listing import showing, shown

    with _registry(choices, home) as found:
        one = shown(found, found.meant(model))
    _print(one, showing(one), as_json)


@models.command("explain")
def _explain(
    model: Model,
    whole: Annotated[bool, typer.Option("--all", help="Every link back to the first period.")] = False,
    as_json: Json = False,
    home: Home = None,
    choices: Set = None,
) -> None:
    """From a model back to the offsets of the events it was made of; every link is checked by its hash."""
    from asmg.models.explain import explained, explaining

    with _registry(choices, home) as found:
        one = explained(found, found.meant(model), whole)
    _print(one, explaining(one), as_json)
    raise typer.Exit(bool(one["broken"]))


@models.command("rebuild")
def _rebuild(
    model: Model,
    whole: Annotated[bool, typer.Option("--all", help="And all that it goes back to.")] = False,
    as_json: Json = False,
    home: Home = None,
    choices: Set = None,
) -> None:
    """Make a model again from its samples and the models before it, and compare the bytes. Stores nothing."""
    from rich.console import Console

    from asmg.models.remake import remade, said

    with _registry(choices, home) as found:
        one = found.meant(model)
        again = remade(found, one, whole, Console(stderr=True))
    _print(again, said(again, one), as_json)
    raise typer.Exit(any(each["differing"] for each in again))


@models.command("mend")
def _mend(
    model: Model,
    whole: Annotated[bool, typer.Option("--all", help="And all that it goes back to.")] = False,
    device: Annotated[
        str | None, typer.Option(metavar="cpu|cuda", help="Where to compute, if not where it was made.")
    ] = None,
    as_json: Json = False,
    home: Home = None,
    choices: Set = None,
) -> None:
    """Make parts that the store has lost or damaged again, and put them back; others supersede the model."""
    from rich.console import Console

    from asmg.models.mend import device_of, mended, said

    wanted = device_of(device)
    with _registry(choices, home) as found:
        done = mended(found, found.meant(model), whole, wanted, Console(stderr=True))
    _print(done, said(done), as_json)


@models.command("prune")
def _prune(
    keep: Annotated[
        int,
        typer.Option(
            metavar="N", help="Versions to keep, the newest; where more are read, it says how many."
        ),
    ],
    dry: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would go, and take nothing away.")
    ] = False,
    as_json: Json = False,
    home: Home = None,
    choices: Set = None,
) -> None:
    """Take the parts of old versions out of the store; what serves, or is held, stays."""
    from rich.console import Console

    from asmg.models.prune import pruned, said
    from asmg.models.registry import registry
    from asmg.options import settings_of

    settings = settings_of(choices, home)
    with registry(settings) as found:
        shadows = settings.trainer.shadow
        done = pruned(found, settings.metagen, shadows, keep, dry, Console(stderr=True))
    _print(done, said(done), as_json)


@models.command("rollback")
def _rollback(
    model: Model,
    reason: Annotated[str, typer.Option(help="Why, for those who read it later.")] = "rolled back by hand",
    by: By = None,
    home: Home = None,
    choices: Set = None,
) -> None:
    """Let every serving process go to a model and stay there until released."""
    from asmg.models.rollback import describe, rollback

    who = by or getpass.getuser()
    with _registry(choices, home) as found:
        one = found.meant(model)
        rollback(found, one, who, reason)
    typer.echo(describe(one, who))


@models.command("release")
def _release(
    reason: Annotated[str, typer.Option(help="Why, for those who read it later.")] = "released by hand",
    by: By = None,
    home: Home = None,
    choices: Set = None,
) -> None:
    """Let the gate's word count again after a rollback."""
    from asmg.models.rollback import release

    with _registry(choices, home) as found:
        serves = release(found, by or getpass.getuser(), reason)
    typer.echo(f"the gate's word counts again: {serves} serves")


def _registry(choices: list[str] | None, home: Path | None) -> AbstractContextManager[Registry]:
    from asmg.models.registry import registry
    from asmg.options import settings_of

    return registry(settings_of(choices, home))


def _print(figures: Any, seen: RenderableType, as_json: bool) -> None:
    import msgspec

    from asmg.report import console

    if as_json:
        print(msgspec.json.format(msgspec.json.encode(figures), indent=1).decode())
        return
    console().print(seen)
