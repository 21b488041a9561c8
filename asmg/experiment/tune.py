"""`--tune`: every method's settings, searched on validation periods with the first seed.

First the base's learning rate, then at the best one the method's own setting (`grid`); the best has the
lowest mean LogLoss. Units of the search end with the last validation period: test periods are not looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from asmg.experiment.grid import RATE, Axis, own
from asmg.experiment.methods import Method, varied
from asmg.experiment.plan import Plan
from asmg.experiment.report import TEST, mean
from asmg.experiment.schedule import units_of
from asmg.experiment.units import Unit
from stream.errors import ConfigurationError

#: Of 31 periods the models of these many, right before those that are tested, are validated (paper: 21-23).
VALIDATED, OF = 3, 31

#: Runs units; what they are for is told.
Run = Callable[[Sequence[Unit], str], None]


@dataclass(frozen=True)
class Tried:
    """One point of the grid."""

    method: Method  # varied by the settings
    settings: Mapping[str, object]  # those searched, by SECTION.NAME
    logloss: float | None  # mean over the validation periods, None where one is not finite


@dataclass(frozen=True)
class Found:
    """What the search came to for one method."""

    best: Tried
    tried: Sequence[Tried]


def validation(periods: int, scored: int) -> range:
    """The periods that models are scored on to be chosen: the last before the tests.

    scored: the first period that a trained model is scored on. Raises: ConfigurationError: none is left.
    """
    last = periods - TEST
    found = range(max(scored, last + 1 - max(1, round(periods * VALIDATED / OF))), last + 1)
    if not found:
        raise ConfigurationError(
            f"--tune: with {periods} periods models are first scored on period {scored}, and the last {TEST} "
            f"are for tests: none is left to validate on, so make more"
        )
    return found


def search(plan: Plan, methods: Sequence[Method], run: Run) -> dict[str, Found]:
    """The best settings of each method, by its name."""
    periods = validation(plan.periods, plan.scored)
    found = {one.name: Found(Tried(one, {}, None), ()) for one in methods}
    axes: Sequence[tuple[str, Callable[[Method], Axis | None]]] = [
        ("base rate", lambda _: RATE),
        ("own setting", own),
    ]
    for told, axis_of in axes:
        points = {
            one.name: _points(plan, one, found[one.name].best.settings, axis)
            for one in methods
            if (axis := axis_of(one)) is not None
        }
        variants = [variant for of in points.values() for variant, _ in of]
        run(units_of(plan, variants, 1, periods[-1]), told)
        for name, of in points.items():
            now = {point[0].name: Tried(*point, _logloss(plan, point[0], periods)) for point in of}
            before = [one for one in found[name].tried if one.method.name not in now]
            found[name] = Found(min(now.values(), key=_rank), [*before, *now.values()])
    return found


def _points(
    plan: Plan, method: Method, settings: Mapping[str, object], axis: Axis
) -> list[tuple[Method, dict[str, object]]]:
    """The method at each value of the axis, that which is given first, with the settings found before."""
    name, values = axis
    points = [{**settings, name: value} for value in dict.fromkeys([given(plan, name), *values])]
    return [(_at(plan, method, point), point) for point in points]


def _at(plan: Plan, method: Method, settings: Mapping[str, object]) -> Method:
    """The method varied by what is not given anyway: with the same settings it is the same method."""
    return varied(method, {name: value for name, value in settings.items() if value != given(plan, name)})


def given(plan: Plan, name: str) -> object:
    """The value of SECTION.NAME where the search changes nothing."""
    section, _, field = name.partition(".")
    return getattr(plan.trainer if section == "trainer" else plan.metagen, field)


def _logloss(plan: Plan, method: Method, periods: range) -> float | None:
    lines = plan.ledger(method.name, 0).lines
    return mean([line["logloss"] for line in lines if line["period"] in periods])


def _rank(tried: Tried) -> float:
    return math.inf if tried.logloss is None else tried.logloss
