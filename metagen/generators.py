"""The generators by name."""

from __future__ import annotations

from metagen.generator import Generator, GruMulti
from metagen.plus import Plus
from metagen.settings import MetagenSettings


def generator_of(settings: MetagenSettings, batch: int, seed: int) -> Generator:
    """The generator that the settings name; batch and seed are the trainer's."""
    if settings.generator == "asmg-plus":
        return Plus(settings, batch, seed)
    return GruMulti(settings, batch, seed)
