"""The contract of a generator, and the first that fulfils it: ASMG-GRUmulti."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from metagen.gru import initial_bank
from metagen.settings import MetagenSettings
from metagen.sweep import carry, sweep
from metagen.train import train
from metagen.window import MLP, GeneratorState, Window, flat_mlp, grown_hidden
from trainer.activity import Activity
from trainer.adam import zero_moments
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

    `models` are the window's k and, before them, the `before` older ones the generator also reads; oldest
    first, all grown to the catalogue's rows. States and results are functions of the arguments, bit for bit.
    """

    k: int  # models in the window
    before: int  # models older than the window that it needs besides

    def initial(self, theta: Theta) -> GeneratorState:
        """The untrained state for models of this form, hidden states zero."""
        ...

    def train(
        self, models: Sequence[Model], data: Sequence[Examples], catalogue: Catalogue, state: GeneratorState
    ) -> GeneratorState:
        """ω_t and h_{t-k} from Θ_{t-k..t-1} and D_{t-k+1..t}."""
        ...

    def generate(self, models: Sequence[Model], state: GeneratorState) -> Theta:
        """Θ*_t from Θ_{t-k+1..t} and the state `train` gave for period t."""
        ...


class GruMulti:
    """ASMG-GRUmulti (paper, 3.3-3.5), plain or residual: reads the window's parameters and nothing else."""

    before = 0

    def __init__(self, settings: MetagenSettings, batch: int, seed: int) -> None:
        self.settings, self.batch, self.seed = settings, batch, seed
        self.k = settings.k

    def initial(self, theta: Theta) -> GeneratorState:
        """Weights as `initial_bank` describes, on the device of `theta`."""
        device = theta.tables["user"].device
        scalars = len(flat_mlp(theta))
        cells = {name: table.shape[1] for name, table in theta.tables.items()} | {MLP: scalars}
        omega = {
            f"{name}/{weight}": tensor.to(device)
            for name, count in cells.items()
            for weight, tensor in initial_bank(self.settings, self.seed, name, count).items()
        }
        hidden = {
            name: torch.zeros(*table.shape, self.settings.hidden_size, device=device)
            for name, table in theta.tables.items()
        }
        hidden[MLP] = torch.zeros(scalars, 1, self.settings.hidden_size, device=device)
        return GeneratorState(omega, zero_moments(omega), hidden, 0)

    def train(
        self, models: Sequence[Model], data: Sequence[Examples], catalogue: Catalogue, state: GeneratorState
    ) -> GeneratorState:
        """Trains on the k models and carries the hidden state past the first of them."""
        window = Window.of([model.theta for model in models])
        hidden = grown_hidden(state.hidden, catalogue.table_rows())
        state = GeneratorState(state.omega, state.moments, hidden, state.trained)
        state = train(window, data, catalogue, state, self.settings, self.batch, self.seed)
        hidden = carry(window, state.omega, state.hidden)
        return GeneratorState(state.omega, state.moments, hidden, state.trained)

    def generate(self, models: Sequence[Model], state: GeneratorState) -> Theta:
        """One sweep over all rows."""
        window = Window.of([model.theta for model in models])
        return sweep(window, state.omega, state.hidden, self.settings.residual)
