"""The contract of a generator, and those made of the paper's cells: ASMG-GRUmulti and its variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from metagen.gru import initial_bank, step_weights
from metagen.settings import MetagenSettings, StepWeights
from metagen.sweep import carry, sweep
from metagen.train import LEARNING_RATE, train, window_loss
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

    `models` are the window's, k of them or, while there are not as many yet, at least `least`; and before
    them the `before` older ones the generator also reads; oldest first, all grown to the catalogue's rows.
    States and results are functions of the arguments, bit for bit.
    """

    k: int  # models in the window
    least: int  # models to begin with: k, or fewer if the window grows
    before: int  # models older than the window that it needs besides

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


@dataclass(frozen=True)
class Variant:
    """How a generator of the paper's cells differs from ASMG-GRUmulti, which is `Variant()` (paper, 4.3)."""

    single: bool = False  # the loss is the last step's alone (eq. 6)
    weights: StepWeights | None = None  # of the steps, in place of those in the settings
    zero: bool = False  # every window starts from h = 0, and not from the state that was carried
    full: bool = False  # the window is every model so far, and not the last k


class Gru:
    """A cell per coordinate (paper, 3.3-3.5), plain or residual: reads the window's parameters alone.

    `full` begins with one model and sees one more each period, all from h_0 = 0 and with a loss at every
    step, as the authors' own does. Time and memory grow with the sequence: every Θ_i and D_i of it is held,
    Θ_i twice while it trains, and each step unrolls a batch of every period. So it stops growing at `full_k`
    models, 20 as where the paper's experiments end, and is GRUmulti with k = full_k from there on: what is
    older lives on in the hidden state.
    """

    before = 0

    def __init__(
        self, settings: MetagenSettings, batch: int, seed: int, variant: Variant | None = None
    ) -> None:
        self.settings, self.batch, self.seed = settings, batch, seed
        self.variant = variant or Variant()
        self.k = settings.full_k if self.variant.full else settings.k
        self.least = 1 if self.variant.full else self.k

    def initial(self, theta: Theta) -> GeneratorState:
        """Weights as `initial_bank` describes, on the device of `theta`; hidden states zero."""
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
        """Trains on the window, and carries the hidden state past its first model if that leaves it now."""
        window = Window.of([model.theta for model in models])
        hidden = grown_hidden(state.hidden, catalogue.table_rows())
        if self.variant.zero:  # also where another variant left a state
            hidden = {name: torch.zeros_like(one) for name, one in hidden.items()}
        weights = self.weights(len(window))
        omega, moments = train(
            state.omega,
            state.moments,
            data[-len(weights) :],
            catalogue,
            lambda leaves, slices: window_loss(
                window, slices, leaves, hidden, weights, self.settings.residual
            ),
            self.settings,
            self.batch,
            self.seed,
            self.settings.learning_rate or LEARNING_RATE,
        )
        if not self.variant.zero and len(window) == self.k:
            hidden = carry(window, omega, hidden)
        return GeneratorState(omega, moments, hidden, state.trained + 1)

    def generate(self, models: Sequence[Model], state: GeneratorState) -> Theta:
        """One sweep over all rows."""
        window = Window.of([model.theta for model in models])
        return sweep(window, state.omega, state.hidden, self.settings.residual)

    def weights(self, steps: int) -> list[float]:
        """λ of those last steps of a window that are scored."""
        return (
            [1.0]
            if self.variant.single
            else step_weights(self.variant.weights or self.settings.weights, steps)
        )
