"""`asmg models list` and `show`: every model with its scores, and one of them part by part."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

from asmg.models.registry import Registry
from asmg.report import number
from stream.records import Announcement, Score
from trainer.lineage import name_of


def listed(models: Registry) -> list[dict[str, Any]]:
    """Every model, oldest first, with its score on the period after it and whether the gate let it serve."""
    serving, held = models.serving, models.words.hold
    found = []
    for one in models.models():
        word, score = models.announced.gate.get(one.version), score_of(models, one)
        mine = word is not None and name_of(word) == name_of(one)
        found.append(
            {
                "model": name_of(one),
                "announced_at": one.announced_at,
                "trained": one.trained,
                "auc": score.auc if score else None,
                "logloss": score.logloss if score else None,
                "gate": word.reason if word is not None and mine else None,
                "serves": name_of(one) == serving,
                "held_by": held.held_by if held is not None and name_of(one) == serving else None,
            }
        )
    return found


def score_of(models: Registry, model: Announcement) -> Score | None:
    """How it did on the period after it: the next of its kind tells; None before that."""
    following = models.announced.model(model.kind, model.version + 1)
    return following.score if following else None


def listing(rows: list[dict[str, Any]]) -> Table:
    """The list as people read it."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("model", "announced (UTC)", "AUC", "LogLoss", "the gate let it serve", ""):
        table.add_column(title, justify="right" if title in ("AUC", "LogLoss") else "left")
    for row in rows:
        serves = "serves" if row["serves"] else ""
        held = f", held by {row['held_by']}" if row["held_by"] else ""
        table.add_row(
            row["model"], time_of(row["announced_at"]), number(row["auc"], 4), number(row["logloss"], 4),
            row["gate"] or "", serves + held,
        )  # fmt: skip
    return table


def shown(models: Registry, model: Announcement) -> dict[str, Any]:
    """One model: its parts, each read and checked by its hash. Raises: StoreError: one is gone or damaged."""
    parts = {}
    for role, part in model.parts.items():
        table = models.place.store.get(part)
        parts[role] = {"name": part, "rows": table.num_rows, "bytes": table.nbytes}
    record: dict[str, Any] = msgspec.to_builtins(model)
    following = score_of(models, model)
    return record | {
        "model": name_of(model),
        "hash": model.hash(),
        "parts": parts,
        "score_of_before": record.pop("score"),
        "score": msgspec.to_builtins(following) if following else None,
    }


def showing(found: dict[str, Any]) -> RenderableType:
    """The model as people read it."""
    score = found["score"] or {"auc": None, "logloss": None}
    head = Table(box=None, show_header=False, pad_edge=False)
    for label, value in (
        ("announced", f"{time_of(found['announced_at'])} UTC by version {found['code_version']}"),
        ("on the period after it", f"AUC {number(score['auc'], 4)}, LogLoss {number(score['logloss'], 4)}"),
        ("made of", ", ".join(found["parents"])),
        ("hash", found["hash"]),
        ("seconds", ", ".join(f"{stage} {spent:.2f}" for stage, spent in found["seconds"].items())),
        *((f"settings, {section}", _told(of)) for section, of in found["settings"].items()),
    ):
        head.add_row(label, value)
    parts = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    parts.add_column("part")
    parts.add_column("rows", justify="right")
    parts.add_column("bytes", justify="right")
    parts.add_column("name in the store, checked", no_wrap=True)
    for role, part in found["parts"].items():
        parts.add_row(role, f"{part['rows']:,}", f"{part['bytes']:,}", part["name"])
    return Group(found["model"], head, parts)


def time_of(ms: int) -> str:
    """A wall clock's time in UTC."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"


def _told(of: object) -> str:
    if not isinstance(of, dict):
        return str(of)
    return ", ".join(f"{name} {value}" for name, value in of.items() if value is not None)
