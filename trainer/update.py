"""Incremental update: Θ_{t-1} and D_t to Θ_t (eq. 1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from trainer.adam import DenseAdam, Moments, step_rows, zero_moments
from trainer.batches import Batch, Examples, batches, shuffled
from trainer.catalogue import Catalogue
from trainer.model import Theta, forward, loss_of
from trainer.own import OwnBase
from trainer.settings import TrainerSettings

#: Touched rows by table and MLP, as leaves, and the batch they meet, to a loss, a scalar.
Loss = Callable[[dict[str, Tensor], dict[str, Tensor], Batch], Tensor]


def plain_loss(own: OwnBase | None) -> Loss:
    """That of the parameters as they are (eq. 11); own: as of `forward`."""
    return lambda rows, mlp, batch: loss_of(forward(rows, mlp, batch, own), batch.label)


def update(
    theta: Theta,
    moments: Moments,
    examples: Examples,
    catalogue: Catalogue,
    settings: TrainerSettings,
    seed: int,
    loss: Loss | None = None,
) -> tuple[Theta, Moments]:
    """Θ_t and its moments, from Θ_{t-1} already grown to the catalogue's rows; both stay as they are.

    loss: by default `plain_loss`.
    Batches are runs of a permutation that (seed, t, epoch) determine, so on a CPU with a given number of
    threads the result is a function of the arguments, bit for bit.
    """
    theta = replace(
        theta,
        tables={name: _copy(table) for name, table in theta.tables.items()},
        mlp={name: _copy(tensor) for name, tensor in theta.mlp.items()},
    )
    loss = loss or plain_loss(theta.own)
    if settings.moments == "fresh":
        moments = zero_moments(theta.named())
    step = (
        _RowSteps(theta, moments, settings, loss)
        if settings.moments == "lazy"
        else _Steps(theta, moments, settings, loss)
    )
    device = theta.tables["user"].device
    for epoch in range(settings.epochs):
        for batch in batches(shuffled(examples, seed, epoch), catalogue, settings.batch, device):
            step.take(batch)
    return theta, step.moments()


def gradients_of(
    theta: Theta, batch: Batch, loss: Loss | None = None
) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """The batch's loss (by default `plain_loss`), its gradient by touched table rows, and by MLP tensors.

    Of what the loss does not depend on, as it may be with a base of one's own, the gradient is zero.
    """
    rows = {name: table.requires_grad_() for name, table in theta.touched(batch).items()}
    mlp = {name: tensor.detach().requires_grad_() for name, tensor in theta.mlp.items()}
    value = (loss or plain_loss(theta.own))(rows, mlp, batch)
    gradients = torch.autograd.grad(value, [*rows.values(), *mlp.values()], materialize_grads=True)
    of_rows = dict(zip(rows, gradients, strict=False))
    return value.detach(), of_rows, dict(zip(mlp, gradients[len(rows) :], strict=True))


def _copy(tensor: Tensor) -> Tensor:
    return tensor.clone(memory_format=torch.contiguous_format)


class _Steps:
    """Adam on whole tensors; the tables' gradients are kept at zero but for the rows of the batch at hand."""

    def __init__(self, theta: Theta, moments: Moments, settings: TrainerSettings, loss: Loss) -> None:
        self.theta, self.loss = theta, loss
        self.adam = DenseAdam(theta.named(), moments, settings.learning_rate)
        self.gradients = {name: torch.zeros_like(table) for name, table in theta.tables.items()}

    def take(self, batch: Batch) -> None:
        _, of_rows, of_mlp = gradients_of(self.theta, batch, self.loss)
        for name, gradient in of_rows.items():
            self.gradients[name].index_copy_(0, batch.rows[name], gradient)
        self.adam.step(self.gradients | of_mlp)
        for name, rows in batch.rows.items():
            self.gradients[name].index_fill_(0, rows, 0.0)

    def moments(self) -> Moments:
        return self.adam.moments()


class _RowSteps:
    """Adam on the rows a batch touched and on the whole MLP; every other row stays bit for bit."""

    def __init__(self, theta: Theta, moments: Moments, settings: TrainerSettings, loss: Loss) -> None:
        self.theta, self.loss, self.learning_rate = theta, loss, settings.learning_rate
        self.adam = DenseAdam(theta.mlp, moments, settings.learning_rate)
        self.m = {name: moments.m[name].clone() for name in theta.tables}
        self.v = {name: moments.v[name].clone() for name in theta.tables}

    def take(self, batch: Batch) -> None:
        _, of_rows, of_mlp = gradients_of(self.theta, batch, self.loss)
        self.adam.step(of_mlp)
        for name, gradient in of_rows.items():
            table, rows = self.theta.tables[name], batch.rows[name]
            step_rows(table, self.m[name], self.v[name], rows, gradient, self.adam.steps, self.learning_rate)

    def moments(self) -> Moments:
        mlp = self.adam.moments()
        return Moments(self.m | mlp.m, self.v | mlp.v, mlp.step)
