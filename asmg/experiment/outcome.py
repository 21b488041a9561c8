"""What of an experiment is finished, as report.json, report.md and figures in its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asmg.experiment import draw
from asmg.experiment.ledger import Line, write_whole
from asmg.experiment.methods import Method
from asmg.experiment.plan import Plan
from asmg.experiment.report import figures
from asmg.experiment.tables import markdown
from asmg.experiment.tune import Found, validation


def write_report(
    plan: Plan,
    methods: Sequence[Method],
    seeds: int,
    command: str,
    swept: Mapping[str, Sequence[object]],
    found: Mapping[str, Found],
) -> Path:
    """The methods as given, and, where a search found something, tuned; the path of report.md."""
    made: dict[str, Any] = {"dataset": plan.dataset, "protocol": plan.protocol, "periods": plan.periods}
    made["methods"] = _figures(plan, {one.name: one for one in methods}, seeds)
    images, tuned_images = draw.per_period(made, plan.folder), list[str]()
    for field, values in swept.items():
        images += draw.sweep(made, plan.folder, field, values)
    if found:
        made["tuned"] = _tuned(plan, found, seeds)
        tuned_images = draw.per_period(made, plan.folder, tuned=True)
    settings = json.dumps(plan.settings(), indent=2)
    text = markdown(made, command, seeds, settings, images, tuned_images)
    write_whole(plan.folder / "report.json", json.dumps(made, indent=2, allow_nan=False).encode() + b"\n")
    write_whole(plan.folder / "report.md", text.encode())
    return plan.folder / "report.md"


def _tuned(plan: Plan, found: Mapping[str, Found], seeds: int) -> dict[str, Any]:
    return {
        "settings": {name: dict(one.best.settings) for name, one in found.items()},
        "validated": list(validation(plan.periods, plan.scored)),
        "tried": {
            name: [{"settings": dict(point.settings), "logloss": point.logloss} for point in one.tried]
            for name, one in found.items()
        },
        "methods": _figures(plan, {name: one.best.method for name, one in found.items()}, seeds),
    }


def _figures(plan: Plan, methods: Mapping[str, Method], seeds: int) -> dict[str, Any]:
    """By the names that the methods have in the report."""

    def lines(name: str) -> list[Sequence[Line]]:
        return [plan.ledger(name, run).lines for run in range(seeds)]

    runs = {name: lines(one.name) for name, one in methods.items()}
    bases = {name: lines(one.base) for name, one in methods.items()}
    return figures(runs, bases, plan.scored)
