"""The generators by name."""

from __future__ import annotations

from metagen.calibrator import Calibrator
from metagen.controls import Average, Ema
from metagen.generator import Generator
from metagen.linear import Linear
from metagen.multi import Gru, Variant
from metagen.plus import Plus
from metagen.settings import MetagenSettings

#: ASMG-GRUmulti, and its variants by what they change.
GRU = {
    "asmg-gru-multi": Variant(),
    "asmg-gru-single": Variant(single=True),
    "asmg-gru-full": Variant(full=True),
    "asmg-gru-zero": Variant(zero=True),
    "asmg-gru-unif": Variant(weights="uniform"),
}


def generator_of(settings: MetagenSettings, batch: int, seed: int) -> Generator:
    """The generator that the settings name; batch and seed are the trainer's."""
    match settings.generator:
        case "asmg-plus":
            return Plus(settings, batch, seed)
        case "asmg-linear":
            return Linear(settings, batch, seed)
        case "average":
            return Average(settings.k)
        case "ema":
            return Ema(settings.decay)
        case "iu-calibrated":
            return Calibrator(settings, batch, seed)
        case variant:
            return Gru(settings, batch, seed, GRU[variant])
