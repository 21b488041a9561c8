"""The two generators that are measured, and what of each depends on which it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from bench.generator import counts
from bench.generator.clock import Clock
from bench.generator.counts import Counted, Moved
from bench.generator.limits import coordinate_rate, row_rate
from metagen import multi, plus
from metagen.generators import GRU
from metagen.multi import Gru
from metagen.plus import Plus
from metagen.settings import Generator as Name
from metagen.settings import MetagenSettings
from trainer.model import Theta

#: The models of a window where nothing else is said.
K = 3


@dataclass(frozen=True)
class Method:
    """A generator by name."""

    name: Name
    module: ModuleType  # whose `train` goes through the batches and whose `carry` through the tables
    before: int  # models it reads besides the window's
    multiply_adds: Callable[[Counted, Theta, int], int]
    activations: Callable[[Counted, Theta, int], int]
    own_rate: Callable[[Clock, int, int, int], float]  # clock, width, d, rows to multiply-adds per second
    generates: Callable[[int, int, int], Moved]  # width, d, k
    carries: Callable[[int, int], Moved]  # width, d

    def generator(self, batch: int, seed: int = 0, k: int = K) -> Gru | Plus:
        """With the settings' defaults otherwise; k: models in the window, or at most in a full sequence."""
        full = self.name == "asmg-gru-full"
        settings = MetagenSettings(generator=self.name, k=K if full else k, full_k=k)
        if self.module is plus:
            return Plus(settings, batch, seed)
        return Gru(settings, batch, seed, GRU[self.name])


MULTI = Method(
    name="asmg-gru-multi",
    module=multi,
    before=0,
    multiply_adds=counts.multi_multiply_adds,
    activations=counts.multi_activations,
    own_rate=coordinate_rate,
    generates=counts.multi_generate,
    carries=counts.multi_carry,
)

PLUS = Method(
    name="asmg-plus",
    module=plus,
    before=1,
    multiply_adds=counts.plus_multiply_adds,
    activations=counts.plus_activations,
    own_rate=lambda clock, width, d, rows: row_rate(clock, 2 * width + counts.ACTIVITY, d, rows),
    generates=counts.plus_generate,
    carries=counts.plus_carry,
)

METHODS = (MULTI, PLUS)
