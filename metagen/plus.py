"""ASMG+: a cell per table that reads whole rows and their activity, bias slots, and an MLP of its own.

Ours, not the paper's; what each part of it is worth is measured in method.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding

from metagen.generator import Model
from metagen.gru import step_weights
from metagen.rowcell import cell, initial_cell, inputs_of, output, unroll
from metagen.settings import MetagenSettings
from metagen.sweep import BLOCK
from metagen.train import touched_rows, train
from metagen.window import MLP, GeneratorState, bank_of, grown_hidden
from trainer.activity import activity_inputs, no_activity
from trainer.adam import zero_moments
from trainer.batches import Batch, Examples
from trainer.catalogue import Catalogue
from trainer.model import Theta, forward, loss_of

#: Tables whose rows get a bias slot.
SLOTS = ("user", "item")

#: Steps a period at which the rates were measured, and the rates there (method.md): few steps ask for small
#: ones. Between and beyond, the logarithm of the rate follows that of the steps, within these bounds.
FEW, MANY = 12, 250
CELLS, OWN_MLP = (1e-3, 1e-2), (1e-3, 3e-3)


@dataclass(frozen=True, eq=False)
class RowWindow:
    """k models over the same rows, oldest first, and what a row cell reads of each."""

    tables: dict[str, Tensor]  # [k, rows, e] each
    before: dict[str, Tensor]  # [k, rows, e] the model before each of them
    activity: dict[str, Tensor]  # [k, rows, ACTIVITY]

    @classmethod
    def of(cls, models: Sequence[Model]) -> RowWindow:
        """The last k of k + 1 models, all with the same rows (`trainer.model.grown`)."""
        names = models[0].theta.tables
        tables = {name: torch.stack([one.theta.tables[name] for one in models]) for name in names}
        return cls(
            {name: table[1:] for name, table in tables.items()},
            {name: table[:-1] for name, table in tables.items()},
            {
                name: torch.stack([_activity(one, name, table.shape[1]) for one in models[1:]]).to(table)
                for name, table in tables.items()
            },
        )

    def step(self, name: str, i: int, rows: Tensor | slice) -> tuple[Tensor, Tensor]:
        """θ_i and v_i of some rows of a table."""
        theta = self.tables[name][i][rows]
        return theta, inputs_of(theta, self.before[name][i][rows], self.activity[name][i][rows])


class Plus:
    """ASMG+ as a `Generator`."""

    before = 1

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
        window = RowWindow.of(models)
        hidden = grown_hidden(state.hidden, catalogue.table_rows())
        rates = self.rates(-(-len(data[-1]) // self.batch))
        weights = step_weights(self.settings.weights, self.k)
        omega, moments = train(
            state.omega,
            state.moments,
            data,
            catalogue,
            lambda leaves, slices: window_loss(window, slices, leaves, hidden, weights),
            self.settings,
            self.batch,
            self.seed,
            {name: rates[name.startswith(f"{MLP}/")] for name in state.omega},
        )
        return GeneratorState(omega, moments, carry(window, omega, hidden), state.trained + 1)

    def generate(self, models: Sequence[Model], state: GeneratorState) -> Theta:
        """One sweep over all rows, and the generator's own MLP."""
        return sweep(RowWindow.of(models), state.omega, state.hidden)

    def rates(self, steps: int) -> tuple[float, float]:
        """Learning rates of the cells and of the MLP in a period of that many steps."""
        share = min(1.0, max(0.0, math.log(max(steps, 1) / FEW) / math.log(MANY / FEW)))
        cells, mlp = (low ** (1 - share) * high**share for low, high in (CELLS, OWN_MLP))
        return self.settings.learning_rate or cells, self.settings.mlp_learning_rate or mlp


def window_loss(
    window: RowWindow,
    slices: Sequence[Batch],
    omega: Mapping[str, Tensor],
    hidden: Mapping[str, Tensor],
    weights: Sequence[float],
) -> Tensor:
    """Σ λ_i L(Θ_i* | slice of D_{i+1}), a scalar (eq. 7), from the rows the slices touch alone."""
    tables: list[dict[str, Tensor]] = [{} for _ in slices]
    for name in window.tables:
        touched = touched_rows([one.rows[name] for one in slices])
        steps = [window.step(name, i, touched.rows[:count]) for i, count in enumerate(touched.counts)]
        generated = unroll(bank_of(omega, name), steps, hidden[name][touched.rows, 0])
        for i, (star, _) in enumerate(generated):
            tables[i][name] = embedding(touched.places[i], star)
    mlp = bank_of(omega, MLP)
    losses = [
        weight * loss_of(forward(rows, mlp, one), one.label)
        for weight, rows, one in zip(weights, tables, slices, strict=True)
        if len(one.label)
    ]
    return torch.stack(losses).sum()


@torch.no_grad()
def sweep(window: RowWindow, omega: Mapping[str, Tensor], hidden: Mapping[str, Tensor]) -> Theta:
    """Θ*_t: the last step's output for every row, block by block, and the generator's MLP."""
    tables = {}
    for name, table in window.tables.items():
        weights = bank_of(omega, name)
        stars = []
        for rows in _blocks(table.shape[1]):
            h = hidden[name][rows, 0]
            for i in range(len(table)):
                theta, v = window.step(name, i, rows)
                h = cell(weights, v, h)
            stars.append(output(weights, theta, h))
        tables[name] = torch.cat(stars)
    return Theta(tables, {name: tensor.clone() for name, tensor in bank_of(omega, MLP).items()})


@torch.no_grad()
def carry(window: RowWindow, omega: Mapping[str, Tensor], hidden: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """h_{t-k}: hidden states after the window's FIRST model, with the newly trained ω_t."""
    return {
        name: torch.cat(
            [
                cell(bank_of(omega, name), window.step(name, 0, rows)[1], hidden[name][rows, 0])
                for rows in _blocks(table.shape[1])
            ]
        )[:, None]
        for name, table in window.tables.items()
    }


def _blocks(rows: int) -> Iterator[slice]:
    for start in range(0, rows, BLOCK):
        yield slice(start, start + BLOCK)


def _activity(model: Model, name: str, rows: int) -> Tensor:
    return torch.from_numpy(activity_inputs(model.activity.get(name) or no_activity(0), model.period, rows))
