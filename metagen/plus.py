"""ASMG+: a cell per table that reads whole rows and their activity, bias slots, and an MLP of its own.

Ours, not the paper's; what each part of it is worth is measured in method.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from metagen.generator import Model
from metagen.gru import step_weights
from metagen.joint import Joint
from metagen.rates import rate
from metagen.rowcell import cell, initial_cell, output, unroll, with_one
from metagen.settings import MetagenSettings
from metagen.sweep import blocks
from metagen.touched import Touched
from metagen.train import train
from metagen.window import MLP, GeneratorState, bank_of, hidden_block, hidden_of
from trainer.activity import activity_inputs, no_activity
from trainer.adam import zero_moments
from trainer.batches import Examples
from trainer.catalogue import Catalogue, Ints
from trainer.device import on_device
from trainer.model import Theta, forward
from trainer.own import OwnBase

#: Tables whose rows get a bias slot.
SLOTS = ("user", "item")

#: Learning rates of the generator's own MLP, for periods of few steps and of many (method.md).
OWN_MLP = 1e-3, 3e-3


@dataclass(frozen=True, eq=False)
class RowWindow:
    """k models over the same rows, oldest first, and the one before them; what row cells read of each."""

    models: Sequence[Model]  # k + 1 of them

    def __len__(self) -> int:
        return len(self.models) - 1

    def inputs(self, name: str, rows: Tensor | slice) -> Tensor:
        """[R, k, n] v_i of some rows of a table for each of the k models."""
        thetas = torch.stack([one.theta.tables[name][rows] for one in self.models], 1)  # [R, k + 1, e]
        places = rows if isinstance(rows, slice) else rows.cpu().numpy()
        active = np.stack([_activity(one, name, places, len(thetas)) for one in self.models[1:]], 1)
        return torch.cat([thetas[:, 1:], thetas.diff(dim=1), on_device(active, thetas.device)], 2)


class Plus:
    """ASMG+ as a `Generator`."""

    before = 1
    reads_activity = False

    def __init__(self, settings: MetagenSettings, batch: int, seed: int) -> None:
        self.settings, self.batch, self.seed = settings, batch, seed
        self.k = self.least = settings.k

    def initial(self, theta: Theta) -> GeneratorState:
        """Cells that change nothing yet, the MLP of `theta`, hidden states zero."""
        device = theta.tables["user"].device
        d = self.settings.hidden_size
        omega = {f"{MLP}/{name}": tensor.clone() for name, tensor in theta.mlp.items()}
        for name, table in theta.tables.items():
            weights = initial_cell(self.seed, name, table.shape[1], name in SLOTS, d)
            omega |= {f"{name}/{weight}": tensor.to(device) for weight, tensor in weights.items()}
        hidden = {name: torch.zeros(len(table), 1, d, device=device) for name, table in theta.tables.items()}
        return GeneratorState(omega, zero_moments(omega), hidden, 0)

    def train(
        self, models: Sequence[Model], data: Sequence[Examples], catalogue: Catalogue, state: GeneratorState
    ) -> GeneratorState:
        """Trains cells and MLP on the last k of the models; carries hidden states past the first of them.

        A function of its arguments, bit for bit, on a CPU with a given number of threads.
        """
        window, device = RowWindow(models), models[-1].theta.tables["user"].device
        touched = Touched.of(data, catalogue, device)
        inputs = {name: with_one(window.inputs(name, rows)) for name, rows in touched.rows.items()}
        hidden = {name: hidden_of(state.hidden[name], rows)[:, 0] for name, rows in touched.rows.items()}
        rates = self.rates(len(data[-1]))
        weights = step_weights(self.settings.weights, self.k)
        omega, moments = train(
            state.omega,
            state.moments,
            touched,
            lambda leaves, joint: window_loss(inputs, joint, leaves, hidden, weights, models[-1].theta.own),
            self.settings,
            self.batch,
            self.seed,
            {name: rates[name.startswith(f"{MLP}/")] for name in state.omega},
        )
        return GeneratorState(omega, moments, carry(window, omega, state.hidden), state.trained + 1)

    def generate(self, models: Sequence[Model], state: GeneratorState) -> Theta:
        """One sweep over all rows, and the generator's own MLP."""
        return sweep(RowWindow(models), state.omega, state.hidden)

    def rates(self, examples: int) -> tuple[float, float]:
        """Learning rates of the cells and of the MLP in a period of that many examples."""
        cells, mlp = rate(examples, self.batch), rate(examples, self.batch, *OWN_MLP)
        return self.settings.learning_rate or cells, self.settings.mlp_learning_rate or mlp


def window_loss(
    inputs: Mapping[str, Tensor],
    joint: Joint,
    omega: Mapping[str, Tensor],
    hidden: Mapping[str, Tensor],
    weights: Sequence[float],
    own: OwnBase | None = None,
) -> Tensor:
    """Σ λ_i L(Θ_i* | slice of D_{i+1}), a scalar (eq. 7), from the rows the slices touch alone.

    inputs: table -> [touched, k, n + 1], as `unroll` takes them; hidden: table -> [touched, d]; both of the
    period's touched rows. own: as of `forward`.
    """
    stars = {
        name: unroll(
            bank_of(omega, name),
            inputs[name].flatten(0, 1).index_select(0, joint.places[name]),
            hidden[name].index_select(0, rows),
            joint.counts[name],
        )
        for name, rows in joint.rows.items()
    }
    logits, whole = forward(stars, bank_of(omega, MLP), joint.whole, own), joint.whole
    shares = joint.shares(weights).to(logits.dtype)
    return binary_cross_entropy_with_logits(logits, whole.label.to(logits.dtype), shares, reduction="sum")


@torch.no_grad()
def sweep(window: RowWindow, omega: Mapping[str, Tensor], hidden: Mapping[str, Tensor]) -> Theta:
    """Θ*_t: the last step's output for every row, block by block, and the generator's MLP."""
    tables, last = {}, window.models[-1].theta
    for name, table in last.tables.items():
        weights = bank_of(omega, name)
        star = table.new_empty(len(table), len(weights["b_y"]))
        for rows in blocks(len(table), table.device):
            v = window.inputs(name, rows)
            h = hidden_block(hidden[name], rows, len(v))[:, 0]
            for i in range(len(window)):
                h = cell(weights, v[:, i], h)
            star[rows] = output(weights, v[:, -1], h)
        tables[name] = star
    return replace(last, tables=tables, mlp={name: one.clone() for name, one in bank_of(omega, MLP).items()})


@torch.no_grad()
def carry(window: RowWindow, omega: Mapping[str, Tensor], hidden: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """h_{t-k}: hidden states after the window's FIRST model, with the newly trained ω_t; new rows from 0."""
    carried = {}
    for name, table in window.models[-1].theta.tables.items():
        weights, before = bank_of(omega, name), hidden[name]
        after = before.new_empty(len(table), *before.shape[1:])
        first = RowWindow(window.models[:2])
        for rows in blocks(len(table), table.device):
            v = first.inputs(name, rows)
            after[rows, 0] = cell(weights, v[:, 0], hidden_block(before, rows, len(v))[:, 0])
        carried[name] = after
    return carried


def _activity(model: Model, name: str, rows: slice | Ints, count: int) -> npt.NDArray[np.float32]:
    """[count, ACTIVITY] of some rows at the end of the model's period."""
    return activity_inputs(model.activity.get(name) or no_activity(0), model.period, count, rows)
