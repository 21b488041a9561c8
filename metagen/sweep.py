"""The whole tables through the generator, without gradients: what is published and what is carried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from metagen.gru import cell, output
from metagen.window import MLP, Window, bank_of, hidden_block, shaped_mlp
from trainer.model import Theta

#: Rows of a table taken at a time: on a CPU as many as keep a block's hidden states within its cache, on CUDA
#: enough to keep it busy, within 256 MiB.
BLOCK, CUDA_BLOCK = 2**12, 2**17


@torch.no_grad()
def sweep(window: Window, omega: Mapping[str, Tensor], hidden: Mapping[str, Tensor], residual: bool) -> Theta:
    """Θ*_t = M_t(Θ_{t-k+1..t}, h_{t-k}): the last step's output for every parameter (eq. 5)."""
    tables = {}
    for name, models in window.tables.items():
        bank, star = bank_of(omega, name), torch.empty_like(models[-1])
        for rows in blocks(len(star), star.device):
            thetas = [model[rows].T.contiguous() for model in models]  # [e, rows] each
            star[rows] = _last(bank, thetas, _block(hidden[name], rows, thetas[0].shape[1]), residual).T
        tables[name] = star
    scalars = _last(bank_of(omega, MLP), list(window.mlp[:, :, None]), hidden[MLP].mT, residual)
    return Theta(tables, shaped_mlp(scalars[:, 0].clone(), window.shapes), window.own)


@torch.no_grad()
def carry(window: Window, omega: Mapping[str, Tensor], hidden: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """h_{t-k}: hidden states after the window's FIRST model, with the newly trained ω_t; new rows from 0."""
    carried = {}
    for name, (first, *_) in window.tables.items():
        bank, before = bank_of(omega, name), hidden[name]
        after = before.new_empty(len(first), *before.shape[1:])
        for rows in blocks(len(first), first.device):
            theta = first[rows].T.contiguous()  # [e, rows]
            after[rows] = cell(bank, theta, _block(before, rows, theta.shape[1])).permute(2, 0, 1)
        carried[name] = after
    h = cell(bank_of(omega, MLP), window.mlp[0, :, None], hidden[MLP].mT)  # [S, d, 1]
    return carried | {MLP: h.mT.contiguous()}


def blocks(rows: int, device: torch.device) -> Iterator[slice]:
    """The rows of a table, some at a time."""
    block = BLOCK if device.type == "cpu" else CUDA_BLOCK
    for start in range(0, rows, block):
        yield slice(start, start + block)


def _last(bank: Mapping[str, Tensor], thetas: Sequence[Tensor], h: Tensor, residual: bool) -> Tensor:
    """[P, R] θ* after the last of the models [P, R]."""
    for theta in thetas:
        h = cell(bank, theta, h)
    return output(bank, thetas[-1], h, residual)


def _block(hidden: Tensor, rows: slice, count: int) -> Tensor:
    """[e, d, count] the hidden states of some rows."""
    return hidden_block(hidden, rows, count).permute(1, 2, 0).contiguous()
