"""The archive without a user: periods whose samples of that user are nobody's, and the note that says so."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import track

from asmg.models.registry import Registry
from stream import kafka
from stream.archive.index import ArchiveLog
from stream.archive.rows import samples_of, table_of
from stream.errors import MissingArtefact
from stream.forgotten import digest_of, nobodys, without
from stream.records import Archived, encode, now


def forget(found: Registry, user: str, dry: bool, console: Console) -> dict[str, Any]:
    """Every archived period with the user in it archived anew; then the parts before go.

    The record of a period says how many of its rows are nobody's, and never whose they were.
    Raises: AsmgError.
    """
    place, store = found.place, found.place.store
    index = ArchiveLog(place.topics.archive).all(found.client)
    writer, digest = kafka.Writer(place.kafka), {digest_of(user)}
    rows, periods, lost = 0, 0, 0
    for record in track(
        sorted(index.values(), key=lambda one: one.period), "archive", console=console, transient=True
    ):
        try:
            samples = samples_of(store.get(record.part))
        except MissingArtefact:
            lost += 1
            continue
        left = without(samples, digest)
        if left is samples:
            continue
        forgotten = nobodys(left)
        rows, periods = rows + forgotten - nobodys(samples), periods + 1
        if not dry:
            part = store.put(table_of(left))
            made = Archived(
                period=record.period, part=part, rows=len(left), forgotten=forgotten, archived_at=now()
            )
            writer.write(place.topics.archive, encode(made), key=str(record.period).encode())
            writer.flush()
            index.take(encode(made))
    if not dry:
        for part in index.replaced.keys() - {one.part for one in index.values()}:
            store.delete(part)
    does = "would be" if dry else "are"
    done = f"{rows} samples of {periods} periods {does} nobody's" if rows else "nothing of the user is there"
    missed = [f"{lost} archived periods are lost, and were not looked at"] if lost else []
    if late := index.behind(one.period for one in found.announced.manifests if one.has_samples):
        missed.append(f"not archived yet: {late} closed periods; `asmg forget` again once they are")
    return {"place": "archive", "done": done, "left": "; ".join(missed)}
