"""ASMG-GRUmulti and its variants: a cell per coordinate, reading the window's parameters alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from metagen.generator import Model
from metagen.gru import initial_bank, step_weights, unroll
from metagen.joint import Joint
from metagen.rates import rate
from metagen.settings import MetagenSettings, StepWeights
from metagen.sweep import carry, sweep
from metagen.touched import Touched
from metagen.train import train
from metagen.window import (
    MLP,
    GeneratorState,
    Part,
    Window,
    bank_of,
    flat_mlp,
    grown_hidden,
    hidden_of,
    shaped_mlp,
)
from trainer.adam import zero_moments
from trainer.batches import Examples
from trainer.catalogue import Catalogue
from trainer.model import Theta, forward, loss_of


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
    reads_activity = False

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
        window, weights = Window.of([model.theta for model in models]), self.weights(len(models))
        device = window.mlp.device
        before = state.hidden
        if self.variant.zero:  # also where another variant left a state
            before = {name: torch.zeros_like(one) for name, one in before.items()}
        touched = Touched.of(data[-len(weights) :], catalogue, device)
        part = window.part(touched.rows)
        hidden = {name: hidden_of(before[name], rows) for name, rows in touched.rows.items()}
        hidden[MLP] = before[MLP]
        omega, moments = train(
            state.omega,
            state.moments,
            touched,
            lambda leaves, joint: window_loss(part, joint, leaves, hidden, weights, self.settings.residual),
            self.settings,
            self.batch,
            self.seed,
            self.settings.learning_rate or rate(len(data[-1]), self.batch),
        )
        leaves_first = not self.variant.zero and len(window) == self.k
        carried = carry(window, omega, before) if leaves_first else grown_hidden(before, window.rows())
        return GeneratorState(omega, moments, carried, state.trained + 1)

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


def window_loss(
    part: Part,
    joint: Joint,
    omega: Mapping[str, Tensor],
    hidden: Mapping[str, Tensor],
    weights: Sequence[float],
    residual: bool,
) -> Tensor:
    """Σ λ_i L(Θ_i* | slice of D_{i+1}), a scalar (eq. 7), over the window's last steps, one for each slice.

    Steps before those are gone through but not scored; with one slice this is eq. 6. hidden: [touched,
    e, d] of each table, over the rows of the part, and [S, 1, d] of the MLP.
    """
    scored = len(weights)
    unscored = len(part.mlp) - scored
    steps = joint.steps()
    tables: list[dict[str, Tensor]] = [{} for _ in steps]
    for name, rows in joint.rows.items():
        counts = [len(rows)] * unscored + joint.counts[name]
        thetas = _rows_last(part.tables[name], rows)  # [k, e, r]
        h = _rows_last(hidden[name], rows)  # [e, d, r]
        stars = unroll(bank_of(omega, name), thetas, h, counts, scored, residual)
        for of_step, star in zip(tables, stars, strict=True):
            of_step[name] = star.T  # [touched by the step, e]
    mlps = unroll(
        bank_of(omega, MLP), part.mlp[:, :, None], hidden[MLP].mT, [1] * len(part.mlp), scored, residual
    )
    losses = [
        weight * loss_of(forward(rows, shaped_mlp(star[:, 0], part.shapes), one, part.own), one.label)
        for weight, rows, star, one in zip(weights, tables, mlps, steps, strict=True)
        if len(one.label)
    ]
    return torch.stack(losses).sum()


def _rows_last(of: Tensor, rows: Tensor) -> Tensor:
    """[…, r] some of the rows [R, …]: gathered whole, then turned, which is faster than to gather columns."""
    gathered = of.index_select(0, rows)
    return gathered.flatten(1).T.contiguous().view(*gathered.shape[1:], len(rows))
