"""What an experiment came to: figures, and the tables of the paper in Markdown. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from asmg.experiment.ledger import Line
from asmg.experiment.methods import IU

#: Scored periods at the end that the tables average over; of 31 they are those models 24-30 are scored on.
TEST = 7

NONE = "–"

#: Method -> the lines of each seed, by period.
Runs = Mapping[str, Sequence[Sequence[Line]]]


def figures(
    dataset: str, protocol: str, periods: int, runs: Runs, bases: Mapping[str, str], first: int
) -> dict[str, Any]:
    """The figures of report.json. `bases` names the method whose base each method reads.

    first: the first period that a trained model was scored on. A figure is None where one that it is made of
    is not finite. `improvement`: of the AUC over IU's, in percent of it.
    """
    methods = {name: _method(lines, runs[bases[name]], first) for name, lines in runs.items()}
    iu = methods[IU]["auc"]
    for one in methods.values():
        one["improvement"] = _improvement(one["auc"], iu)
    return {"dataset": dataset, "protocol": protocol, "periods": periods, "methods": methods}


def tests(lines: Sequence[Line], first: int) -> list[Line]:
    """The lines that count: the last scored ones."""
    return [line for line in lines if line["period"] >= first][-TEST:]


def _method(seeds: Sequence[Sequence[Line]], base: Sequence[Sequence[Line]], first: int) -> dict[str, Any]:
    counted = [tests(lines, first) for lines in seeds]
    auc, logloss = (_mean_std([_mean(_column(lines, key)) for lines in counted]) for key in _SCORES)
    scored = [[line for line in lines if line["period"] >= first] for lines in seeds]
    return {
        "auc": auc[0],
        "auc_std": auc[1],
        "logloss": logloss[0],
        "logloss_std": logloss[1],
        "improvement": None,
        "per_period": [
            {"period": same[0]["period"], **{key: _mean([line[key] for line in same]) for key in _SCORES}}
            for same in zip(*scored, strict=True)
        ],
        "seconds_per_period": {
            "base": _seconds([tests(lines, first) for lines in base], "train"),
            "generator": _seconds(counted, "generate"),
        },
        "peak_memory_mb": round(max(line["peak_memory_mb"] for lines in seeds for line in lines), 1),
    }


def markdown(made: Mapping[str, Any], command: str, seeds: int, settings: str, images: Sequence[str]) -> str:
    """The report: Table 1, Table 3, figures, and what was run."""
    methods = made["methods"]
    scored = [one["period"] for one in methods[IU]["per_period"]][-TEST:]
    lines = [
        f"# {made['dataset']}, protocol {made['protocol']}",
        "",
        f"    {command}",
        "",
        f"{made['periods']} periods, {seeds} {'seed' if seeds == 1 else 'seeds'}. A model of period t is "
        f"scored on period t + 1; the tables average over the models of periods "
        f"{scored[0] - 1}-{scored[-1] - 1}. ± is the sample standard deviation over seeds of that mean; "
        f"imp% is relative to IU.",
        "",
        "## Table 1: AUC and LogLoss",
        "",
        "| method | AUC ↑ | imp% | LogLoss ↓ | imp% |",
        "|---|---|---|---|---|",
    ]
    iu = methods[IU]
    for name, one in methods.items():
        lower = _improvement(one["logloss"], iu["logloss"])
        lines.append(
            f"| {name} | {_with_std(one, 'auc')} | {NONE if name == IU else _percent(one['improvement'])} "
            f"| {_with_std(one, 'logloss')} "
            f"| {NONE if name == IU else _percent(None if lower is None else -lower)} |"
        )
    lines += [
        "",
        "## Table 3: seconds of training a period, and memory",
        "",
        "Means over the same periods and all seeds; memory is the peak of a process while it ran the method.",
        "",
        "| method | base, s | generator, s | peak memory, MB |",
        "|---|---|---|---|",
    ]
    for name, one in methods.items():
        spent = one["seconds_per_period"]
        generator = f"{spent['generator']:.2f}" if spent["generator"] else NONE
        lines.append(f"| {name} | {spent['base']:.2f} | {generator} | {one['peak_memory_mb']:,.0f} |")
    for image in images:
        lines += ["", f"![{image.removesuffix('.png')}]({image})"]
    lines += ["", "## Settings", "", "```json", settings, "```", ""]
    return "\n".join(lines)


_SCORES = ("auc", "logloss")


def _column(lines: Sequence[Line], key: str) -> list[float | None]:
    return [line[key] for line in lines]


def _mean(values: Sequence[float | None]) -> float | None:
    """None where there is none, or one is None."""
    found = [one for one in values if one is not None]
    return fmean(found) if found and len(found) == len(values) else None


def _mean_std(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Mean and sample standard deviation, which is 0 of a single value."""
    found = [one for one in values if one is not None]
    if not found or len(found) < len(values):
        return None, None
    return fmean(found), stdev(found) if len(found) > 1 else 0.0


def _seconds(seeds: Sequence[Sequence[Line]], stage: str) -> float:
    """Mean over lines of the stage, 0 where the method has no such stage."""
    spent = [line["seconds"][stage] for lines in seeds for line in lines if stage in line["seconds"]]
    return round(fmean(spent), 4) if spent else 0.0


def _improvement(value: float | None, over: float | None) -> float | None:
    """In percent."""
    return None if value is None or over is None or math.isclose(over, 0) else (value / over - 1) * 100


def _with_std(one: Mapping[str, Any], key: str) -> str:
    return NONE if one[key] is None else f"{one[key]:.4f} ± {one[f'{key}_std']:.4f}"


def _percent(value: float | None) -> str:
    return NONE if value is None else f"{value:+.2f}%"
