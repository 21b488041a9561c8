"""The methods that can be compared, by name: each a way to update the base model, and perhaps a generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import ValidationError

from asmg.experiment.periods import Protocol
from metagen.methods import ACTIVITY, GENERATORS, IU, ON_ACTIVITY, STRATEGIES
from metagen.settings import MetagenSettings
from stream.errors import ConfigurationError
from trainer.settings import FACTORISED, TrainerSettings

#: Strategies whose base model has another form than IU's.
OTHER_FORM = (ACTIVITY, FACTORISED)

#: Strategies whose snapshots generators read.
READ = (IU, ACTIVITY)

#: Settings of the update that pre-training does not know.
_AFTER_THETA_0 = ("distillation", "replay", "transfer_learning_rate")


@dataclass(frozen=True)
class Method:
    """A base model and, where `generator` is not None, a generator that reads its snapshots."""

    name: str
    base: str  # the method whose snapshots it reads; its own name where it has no generator
    trainer: Mapping[str, object] = field(default_factory=dict)  # TrainerSettings that make the base
    metagen: Mapping[str, object] | None = None  # MetagenSettings that make the generator

    @property
    def reads(self) -> Method:
        """The method that makes its snapshots: itself where it has no generator."""
        return self if self.metagen is None else Method(self.base, self.base, self.trainer)

    @property
    def strategy(self) -> str:
        """That of its base."""
        return str(self.trainer["strategy"])

    @property
    def begins_as(self) -> Method:
        """The method whose pre-trained Θ_0 it begins with: IU unless its model has another form.

        It is varied as this one is, as far as Θ_0 depends on it.
        """
        known = methods()[self.strategy if self.strategy in OTHER_FORM else IU]
        without = {*known.trainer, *_AFTER_THETA_0}
        shared = {name: value for name, value in self.trainer.items() if name not in without}
        return varied(known, {f"trainer.{name}": value for name, value in shared.items()})

    def trainer_settings(self, given: TrainerSettings) -> TrainerSettings:
        """The base's settings: as given but for what makes the method."""
        return given.model_copy(update=dict(self.trainer))

    def metagen_settings(self, given: MetagenSettings, protocol: Protocol) -> MetagenSettings:
        """The generator's: as given but for what makes the method.

        Under the paper's protocol the paper's generators are plain, unless `residual` was set by somebody.
        """
        assert self.metagen is not None
        told = dict(self.metagen)
        plain = protocol == "paper" and "residual" not in given.model_fields_set
        if plain and str(told["generator"]).startswith("asmg-gru"):
            told.setdefault("residual", False)
        return given.model_copy(update=told)


def methods() -> dict[str, Method]:
    """All there are: the trainer's strategies, the generators on IU, and these on IU with activity."""
    found: dict[str, Method] = {name: Method(name, name, {"strategy": name}) for name in STRATEGIES}
    for generator in GENERATORS:
        for ending, base in (("", found[IU]), (ON_ACTIVITY, found[ACTIVITY])):
            name = generator + ending
            found[name] = Method(name, base.name, base.trainer, {"generator": generator})
    return found


def chosen(names: Sequence[str], sweep: Mapping[str, Sequence[object]] | None = None) -> list[Method]:
    """IU, then the methods of these names, those with a generator once for each value swept.

    Raises: ConfigurationError: there is no method of a name; no generator to sweep.
    """
    known = methods()
    for name in names:
        if name not in known:
            raise ConfigurationError(f"there is no method '{name}'; there are {', '.join(known)}")
    mine = [known[name] for name in dict.fromkeys([IU, *names])]
    for name, values in (sweep or {}).items():
        mine = [variant for one in mine for variant in _swept(one, name, values)]
        if all(one.metagen is None for one in mine):
            raise ConfigurationError(f"--sweep {name}: none of the methods has a generator")
    return mine


def needed(mine: Sequence[Method]) -> list[Method]:
    """These methods and those whose base they share, bases first."""
    bases = {one.base: one.reads for one in mine}
    return [*bases.values(), *(one for one in mine if one.metagen is not None)]


def varied(method: Method, settings: Mapping[str, object]) -> Method:
    """The method with settings of its own, by SECTION.NAME; they are told in its name, and in its base's."""
    of: dict[str, dict[str, object]] = {"trainer": {}, "metagen": {}}
    for name, value in settings.items():
        section, _, field_name = name.partition(".")
        of[section][field_name] = value
    base, own = (
        "".join(f" {section}.{name}={value}" for name, value in of[section].items())
        for section in ("trainer", "metagen")
    )
    return replace(
        method,
        name=method.name + base + own,
        base=method.base + base,
        trainer={**method.trainer, **of["trainer"]},
        metagen=None if method.metagen is None else {**method.metagen, **of["metagen"]},
    )


def sweep_of(text: str) -> dict[str, Sequence[object]]:
    """`k=1..6` or `d=4,8,12,16`, as the field of MetagenSettings and its values.

    Raises: ConfigurationError: neither k nor d, or no such values.
    """
    name, _, written = text.partition("=")
    try:
        first, dots, last = written.partition("..")
        values = range(int(first), int(last) + 1) if dots else [int(one) for one in written.split(",")]
        if name not in ("k", "d") or not len(values):
            raise ValueError
        for value in values:
            MetagenSettings.model_validate({name: value})
    except (ValueError, ValidationError) as error:
        raise ConfigurationError(f"--sweep {text}: k=1..6 or d=4,8,12,16 is expected") from error
    return {name: list(values)}


def _swept(method: Method, setting: str, values: Sequence[object]) -> list[Method]:
    if method.metagen is None:
        return [method]
    return [
        replace(method, name=f"{method.name} {setting}={value}", metagen={**method.metagen, setting: value})
        for value in values
    ]
