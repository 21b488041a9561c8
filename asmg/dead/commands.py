"""`asmg dead-letters`: what could not be used, and bringing it in; what a command needs it imports itself."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from asmg.flags import Home, Json, Set

dead_letters = typer.Typer(
    no_args_is_help=True, help="What could not be used: told by reason; brought in once it can be."
)

_MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Only those whose reason has it.")]
Since = Annotated[
    datetime | None,
    typer.Option(formats=_MOMENTS, metavar="TIME", help="Only those that died at or after it (UTC)."),
]
Until = Annotated[
    datetime | None, typer.Option(formats=_MOMENTS, metavar="TIME", help="Only those that died before it.")
]


@dead_letters.command("list")
def _list(
    reason: Reason = "",
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, help="Records of the topic to read, the newest.")] = 100_000,
    as_json: Json = False,
    home: Home = None,
    choices: Set = None,
) -> None:
    """Dead letters by topic and reason: how many, since when, an example, and how many were replayed."""
    from asmg.dead.screen import bars, listed
    from asmg.options import settings_of
    from asmg.running import running
    from stream.dead.letters import Wanted
    from stream.dead.listing import listing

    wanted = Wanted(reason, _ms(since) or 0, _ms(until))
    with running(settings_of(choices, home)) as (_, _, topics, client), bars() as stage:
        found = listing(client, topics, wanted, limit, stage("dead letters"))
    _print(found, listed(found), as_json)


@dead_letters.command("replay")
def _replay(
    reason: Reason = "",
    since: Since = None,
    until: Until = None,
    limit: Annotated[
        int, typer.Option(min=1, help="Letters to take, the oldest; their events are held in memory.")
    ] = 500_000,
    dry: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would happen, and write nothing.")
    ] = False,
    as_json: Json = False,
    home: Home = None,
    choices: Set = None,
) -> None:
    """Read dead letters again, by the mapping as it is now; what is understood goes into events, once."""
    from asmg.dead.screen import bars, described, reported
    from asmg.options import settings_of
    from asmg.running import running
    from stream.dead.letters import Wanted
    from stream.dead.replay import Asked, Replay

    settings = settings_of(choices, home)
    asked = Asked(Wanted(reason, _ms(since) or 0, _ms(until)), limit, dry)
    with running(settings) as (found, broker, topics, client), bars() as stage:
        done = Replay(broker, client, topics, found.ingest, found.stream, asked, stage)()
    _print(described(done, dry=dry), reported(done, dry=dry), as_json)


def _ms(moment: datetime | None) -> int | None:
    from datetime import UTC

    return None if moment is None else round(moment.replace(tzinfo=UTC).timestamp() * 1000)


def _print(found: dict[str, Any], drawn: list[Any], as_json: bool) -> None:
    import json

    from asmg import report

    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    console = report.console()
    for part in drawn:
        console.print(part)
