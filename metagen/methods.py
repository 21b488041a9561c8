"""Ways to make what serves, by name: a strategy of the base model, and perhaps a generator on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from metagen.settings import Generator, MetagenSettings
from stream.errors import ConfigurationError
from trainer.settings import Strategy, TrainerSettings

#: The base that generators read where their names say nothing else; and what names the other one.
IU, ACTIVITY, ON_ACTIVITY = "iu", "iu-activity", "-activity"

STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
GENERATORS: tuple[Generator, ...] = get_args(Generator)


@dataclass(frozen=True)
class Named:
    """A method's settings: of the base model and, where it has a generator, of that."""

    name: str
    trainer: TrainerSettings
    metagen: MetagenSettings | None


def named(name: str, trainer: TrainerSettings, metagen: MetagenSettings) -> Named:
    """The method of a name, all else set as given. Raises: ConfigurationError: there is none."""
    if name in STRATEGIES:
        return Named(name, trainer.model_copy(update={"strategy": name}), None)
    generator = name.removesuffix(ON_ACTIVITY)
    if generator not in GENERATORS:
        on_both = [one + ending for one in GENERATORS for ending in ("", ON_ACTIVITY)]
        raise ConfigurationError(
            f"there is no method '{name}'; there are {', '.join([*STRATEGIES, *on_both])}"
        )
    base = IU if generator == name else ACTIVITY
    return Named(
        name,
        trainer.model_copy(update={"strategy": base}),
        metagen.model_copy(update={"generator": generator}),
    )
