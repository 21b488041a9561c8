"""What an experiment came to, in figures. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from asmg.experiment.ledger import Line
from asmg.experiment.significance import p_value
from metagen.methods import IU

#: Scored periods at the end that the tables average over; of 31 they are those models 24-30 are scored on.
TEST = 7

#: Method -> the lines of each seed, by period.
Runs = Mapping[str, Sequence[Sequence[Line]]]


def figures(runs: Runs, bases: Runs, first: int) -> dict[str, Any]:
    """The figures of each method, IU among them; `bases` has the lines of what made each one's snapshots.

    first: the first period that a trained model was scored on. A figure is None where one that it is made of
    is not finite. `improvement`: of the AUC over IU's, in percent of it. `p_value`: against IU.
    """
    methods = {name: _method(lines, bases[name], runs[IU], first) for name, lines in runs.items()}
    for one in methods.values():
        one["improvement"] = improvement(one["auc"], methods[IU]["auc"])
    methods[IU]["p_value"] = dict.fromkeys(_SCORES)
    return methods


def tests(lines: Sequence[Line], first: int) -> list[Line]:
    """The lines that count: the last scored ones."""
    return [line for line in lines if line["period"] >= first][-TEST:]


def _method(
    seeds: Sequence[Sequence[Line]],
    base: Sequence[Sequence[Line]],
    iu: Sequence[Sequence[Line]],
    first: int,
) -> dict[str, Any]:
    counted, over = ([tests(lines, first) for lines in of] for of in (seeds, iu))
    auc, logloss = (_mean_std([mean(_column(lines, key)) for lines in counted]) for key in _SCORES)
    scored = [[line for line in lines if line["period"] >= first] for lines in seeds]
    return {
        "auc": auc[0],
        "auc_std": auc[1],
        "logloss": logloss[0],
        "logloss_std": logloss[1],
        "improvement": None,
        "p_value": {key: p_value(_pooled(counted, key), _pooled(over, key)) for key in _SCORES},
        "per_period": [
            {"period": same[0]["period"], **{key: mean([line[key] for line in same]) for key in _SCORES}}
            for same in zip(*scored, strict=True)
        ],
        "seconds_per_period": {
            "base": _seconds([tests(lines, first) for lines in base], "train"),
            "generator": _seconds(counted, "generate"),
        },
        "peak_memory_mb": round(max(line["peak_memory_mb"] for lines in seeds for line in lines), 1),
    }


_SCORES = ("auc", "logloss")


def _column(lines: Sequence[Line], key: str) -> list[float | None]:
    return [line[key] for line in lines]


def _pooled(seeds: Sequence[Sequence[Line]], key: str) -> list[float | None]:
    """Seed after seed."""
    return [score for lines in seeds for score in _column(lines, key)]


def mean(values: Sequence[float | None]) -> float | None:
    """None where there is none, or one is None."""
    found = [one for one in values if one is not None]
    return fmean(found) if found and len(found) == len(values) else None


def _mean_std(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Mean and sample standard deviation; of a single value there is none."""
    found = [one for one in values if one is not None]
    if not found or len(found) < len(values):
        return None, None
    return fmean(found), stdev(found) if len(found) > 1 else None


def _seconds(seeds: Sequence[Sequence[Line]], stage: str) -> float:
    """Mean over lines of the stage, 0 where the method has no such stage."""
    spent = [line["seconds"][stage] for lines in seeds for line in lines if stage in line["seconds"]]
    return round(fmean(spent), 4) if spent else 0.0


def improvement(value: float | None, over: float | None) -> float | None:
    """In percent."""
    return None if value is None or over is None or math.isclose(over, 0) else (value / over - 1) * 100
