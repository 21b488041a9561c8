"""ASMG-Linear: Θ*_t = Σ α_i Θ_i over the window's k models (paper, 4.1.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from metagen.generator import Model
from metagen.joint import Joint
from metagen.rates import LEARNING_RATE
from metagen.settings import MetagenSettings
from metagen.touched import Touched
from metagen.train import train
from metagen.window import MLP, GeneratorState, Part, Window, flat_mlp, shaped_mlp
from trainer.adam import zero_moments
from trainer.batches import Examples
from trainer.catalogue import Catalogue
from trainer.model import Theta, forward, loss_of

#: The trainable tensor of each bank: [P, k] before the softmax, P as for the paper's cells (metagen/gru.py).
LOGITS = "alpha"


class Linear:
    """Learned weights α_i, positive and of sum 1, for each coordinate; nothing is carried but they.

    The paper's text has one α_i per model. The authors' experiments, followed here, have a softmax over the
    k models for each embedding dimension, shared by the table's rows, and for each scalar of the MLP. Logits
    start at zero, so that an untrained generator gives the plain average. The loss is the last step's alone,
    D_t under Θ*_{t-1} (eq. 3).
    """

    before = 0
    reads_activity = False

    def __init__(self, settings: MetagenSettings, batch: int, seed: int) -> None:
        self.settings, self.batch, self.seed = settings, batch, seed
        self.k = self.least = settings.k

    def initial(self, theta: Theta) -> GeneratorState:
        """Logits zero, on the device of `theta`; no hidden states."""
        device = theta.tables["user"].device
        cells = {name: table.shape[1] for name, table in theta.tables.items()} | {MLP: len(flat_mlp(theta))}
        omega = {
            f"{name}/{LOGITS}": torch.zeros(count, self.k, device=device) for name, count in cells.items()
        }
        return GeneratorState(omega, zero_moments(omega), {}, 0)

    def train(
        self, models: Sequence[Model], data: Sequence[Examples], catalogue: Catalogue, state: GeneratorState
    ) -> GeneratorState:
        """Trains on D_t alone."""
        window = Window.of([model.theta for model in models])
        touched = Touched.of(data[-1:], catalogue, window.mlp.device)
        part = window.part(touched.rows)
        omega, moments = train(
            state.omega,
            state.moments,
            touched,
            lambda leaves, joint: linear_loss(part, joint, leaves),
            self.settings,
            self.batch,
            self.seed,
            self.settings.learning_rate or LEARNING_RATE,
        )
        return GeneratorState(omega, moments, {}, state.trained + 1)

    @torch.no_grad()
    def generate(self, models: Sequence[Model], state: GeneratorState) -> Theta:
        """All rows at once."""
        window = Window.of([model.theta for model in models])
        tables = {
            name: combined(state.omega, name, torch.stack(list(models)))
            for name, models in window.tables.items()
        }
        return Theta(tables, combined_mlp(state.omega, window), window.own)


def linear_loss(part: Part, joint: Joint, omega: Mapping[str, Tensor]) -> Tensor:
    """L(Θ* | batch), a scalar (eq. 3), from the rows the batch touches alone."""
    tables = {
        name: combined(omega, name, part.tables[name].index_select(0, rows).transpose(0, 1))
        for name, rows in joint.rows.items()
    }
    logits = forward(tables, combined_mlp(omega, part), joint.whole, part.own)
    return loss_of(logits, joint.whole.label)


def combined(omega: Mapping[str, Tensor], name: str, thetas: Tensor) -> Tensor:
    """[…, P] Σ α_i θ_i from the window's [k, …, P]."""
    alpha = omega[f"{name}/{LOGITS}"].softmax(1)  # [P, k]
    return torch.einsum("k...p,pk->...p", thetas, alpha)


def combined_mlp(omega: Mapping[str, Tensor], window: Window | Part) -> dict[str, Tensor]:
    """The MLP's tensors, combined scalar by scalar."""
    return shaped_mlp(combined(omega, MLP, window.mlp), window.shapes)
