"""The whole tables through the generator, without gradients: what is published and what is carried."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from metagen.gru import cell, unroll
from metagen.window import MLP, Window, bank_of, shaped_mlp
from trainer.model import Theta

#: Rows of a table taken at a time: keeps a block's hidden states within the processor's cache.
BLOCK = 4096


@torch.no_grad()
def sweep(window: Window, omega: Mapping[str, Tensor], hidden: Mapping[str, Tensor], residual: bool) -> Theta:
    """Θ*_t = M_t(Θ_{t-k+1..t}, h_{t-k}): the last step's output for every parameter (eq. 5)."""
    tables = {}
    for name, table in window.tables.items():
        bank = bank_of(omega, name)
        star = torch.empty_like(table[-1])
        for start in range(0, len(star), BLOCK):
            rows = slice(start, start + BLOCK)
            thetas = [model[rows].T[:, None].contiguous() for model in table]  # [e, 1, rows] each
            h = hidden[name][rows].permute(1, 2, 0).contiguous()  # [e, d, rows]
            *_, (last, _) = unroll(bank, thetas, h, residual)
            star[rows] = last[:, 0].T
        tables[name] = star
    thetas = list(window.mlp[:, :, None, None])  # [S, 1, 1] each
    *_, (last, _) = unroll(bank_of(omega, MLP), thetas, hidden[MLP].transpose(1, 2), residual)
    return Theta(tables, shaped_mlp(last[:, 0, 0].clone(), window.shapes))


@torch.no_grad()
def carry(window: Window, omega: Mapping[str, Tensor], hidden: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """h_{t-k}: hidden states after the window's FIRST model, with the newly trained ω_t."""
    carried = {}
    for name, table in window.tables.items():
        bank, before = bank_of(omega, name), hidden[name]
        after = torch.empty_like(before)
        for start in range(0, len(after), BLOCK):
            rows = slice(start, start + BLOCK)
            theta = table[0, rows].T[:, None].contiguous()  # [e, 1, rows]
            h = cell(bank, theta, before[rows].permute(1, 2, 0).contiguous())  # [e, d, rows]
            after[rows] = h.permute(2, 0, 1)
        carried[name] = after
    h = cell(bank_of(omega, MLP), window.mlp[0, :, None, None], hidden[MLP].transpose(1, 2))  # [S, d, 1]
    return carried | {MLP: h.transpose(1, 2).contiguous()}
