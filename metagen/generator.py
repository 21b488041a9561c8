"""What a generator reads, and what it must be able to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from metagen.window import GeneratorState
from trainer.activity import Activity
from trainer.batches import Examples
from trainer.catalogue import Catalogue
from trainer.model import Theta


@dataclass(frozen=True, eq=False)
class Model:
    """Θ_i as a generator may read it: parameters, and what was known of each row when they were trained."""

    theta: Theta
    activity: Mapping[str, Activity]
    period: int  # i


class Generator(Protocol):
    """M: from a window of models to the one that serves.

    `models` are the window's, k of them or, while there are not as many yet, at least `least`; and before
    them the `before` older ones the generator also reads; oldest first, all grown to the catalogue's rows.
    States and results are functions of the arguments, bit for bit.
    """

    k: int  # models in the window
    least: int  # models to begin with: k, or fewer if the window grows
    before: int  # models older than the window that it needs besides
    reads_activity: bool  # whether it wants examples with activity, even where the base does not read it

    def initial(self, theta: Theta) -> GeneratorState:
        """The untrained state for models of this form, hidden states as before the first model."""
        ...

    def train(
        self, models: Sequence[Model], data: Sequence[Examples], catalogue: Catalogue, state: GeneratorState
    ) -> GeneratorState:
        """ω_t and h_{t-k} from Θ_{t-k..t-1} and D_{t-k+1..t}, as many as the window has models."""
        ...

    def generate(self, models: Sequence[Model], state: GeneratorState) -> Theta:
        """Θ*_t from Θ_{t-k+1..t} and the state `train` gave for period t."""
        ...
