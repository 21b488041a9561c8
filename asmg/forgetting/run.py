"""`asmg forget USER`: the wish written into `events`, and what is stored already without the user.

What is to come is the workers' part: windowing meets the wish at its place in the log, drops the history, and
once all that lies before it is decided, a manifest names the user (`stream.forgotten`). With that period the
row leaves Θ, generator and average, and the samples of the user in it are nobody's, for all who read it.

| killed                                 | then                                                              |
|----------------------------------------|-------------------------------------------------------------------|
| before the wish is in `events`         | `forget` again                                                    |
| after it                               | the same; a wish that stands twice forgets no more than one       |
| with new parts, before their record    | the same: parts are put again under the same names                |
| with the record, before old parts went | the same: what counts no more, and names the user, is looked for  |
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from asmg.config import Settings
from asmg.forgetting import archived, models, topics
from asmg.models.registry import Registry, registry
from stream.forgotten import digest_of
from trainer.settings import buckets_of
from trainer.vocabulary import Vocabulary

Row = dict[str, Any]


def forget(
    settings: Settings, user: str, *, dry: bool, sure: Callable[[], object], console: Console
) -> list[Row]:
    """Place after place: what was done there (or would be, where `dry`), and what is left, and until when.

    sure: asked before anything is done; it raises where nobody is. Raises: AsmgError.
    """
    with registry(settings) as found:
        if not dry:
            sure()
        stop = threading.Event()
        wish = _wish(found, user, dry)
        kept = archived.forget(found, user, dry, console)
        made = models.forget(found, user, dry, console, stop)
        return [wish, kept, made, _hashed(settings, user), *_unreachable(settings, found)]


def told(rows: list[Row]) -> Table:
    """The rows for people."""
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("place", "done", "left"):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(row["place"], row["done"], row["left"])
    return table


def _wish(found: Registry, user: str, dry: bool) -> Row:
    """Histories, windowing's state, and all models to come."""
    place, announced = found.place, found.announced
    digest = digest_of(user)
    named = [one.period for one in announced.manifests if digest in one.forget]
    history = topics.history(found.client, place.topics, user)
    again = history or models.newest_has(found, user)
    if named and not again:
        done, left = f"gone since period {named[-1]}", ""
    else:
        if not dry:
            topics.write_wish(place.kafka, found.client, place.topics, user)
        items = f"a history of {history} items" if history else "no history"
        done = f"{items}; {'a wish would be' if dry else 'a wish is'} written into {place.topics.events}"
        left = (
            "the history goes when `asmg window` reads it, from checkpoints with the second one after; the "
            "row leaves the models with the first period that ends after all events before it are decided: "
            "then `asmg forget` again, for the versions made until then"
        )
    return {"place": "histories, windowing, models to come", "done": done, "left": left}


def _hashed(settings: Settings, user: str) -> Row:
    buckets = buckets_of(settings.trainer.user_rows)
    if buckets is None:
        return {"place": "hashed rows", "done": "none: each user has a row", "left": ""}
    row = int(Vocabulary("user", buckets).look_up([user])[0])
    return {
        "place": "hashed rows",
        "done": "the user is named nowhere in the tables",
        "left": f"row {row} of {buckets} is shared by all users hashed to it, and cannot be taken away alone",
    }


def _unreachable(settings: Settings, found: Registry) -> list[Row]:
    names = found.place.topics
    by_age = "not reached: Kafka deletes by age alone"
    rows = [
        {"place": f"topic {topic}", "done": by_age, "left": _until(found, topic)}
        for topic in (names.events, names.samples, names.dead_letters)
    ]
    done = "a record without value takes the place of the user's"
    left = "what it replaces is on the brokers' disks until they compact the topic"
    rows.append({"place": f"topic {names.histories}", "done": done, "left": left})
    if sources := sorted({one.topic for one in settings.ingest.sources}):
        place, left = f"your topics {', '.join(sources)}", "yours to see to"
        rows.append({"place": place, "done": "not reached: they are yours", "left": left})
    return rows


def _until(found: Registry, topic: str) -> str:
    retention = topics.retention(found.place.kafka, topic)
    if retention is None:
        return "kept for ever: set the topic's retention.ms (docs/operations.md)"
    gone = datetime.now(UTC) + timedelta(milliseconds=retention)
    return f"all of it is gone by {gone:%Y-%m-%d %H:%M} UTC, by the topic's retention.ms and segment.ms"
