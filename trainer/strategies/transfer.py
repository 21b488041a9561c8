"""SML's transfer module Φ: the model before and the one updated on D_t make the one that serves.

A table has a module of its own that takes it row by row; a tensor of the MLP has one that takes all of it as
one row. Sequential Meta-Learning (Zhang et al., SIGIR 2020) in the form and the sizes of ASMG's authors.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import gelu, linear

from trainer.model import Theta
from trainer.parts import PRODUCTS
from trainer.vocabulary import id_hashes, uniform

#: Filters of the first and of the second convolution, of a table's module and of an MLP tensor's.
TABLE_FILTERS, MLP_FILTERS = (10, 5), (5, 3)

#: Hidden units of a table's module.
TABLE_HIDDEN = 20
#: Hidden units of an MLP tensor's module; matrix factorisation's only tensor is like the last bias.
MLP_HIDDEN = {
    "kernel1": 80,
    PRODUCTS: 80,
    "bias1": 40,
    "kernel2": 40,
    "bias2": 20,
    "kernel3": 20,
    "bias3": 2,
    "bias": 2,
}

#: Added to the length |previous| that a product is divided by.
LENGTH_EPSILON = 1e-15

#: Rows of a table taken at a time in a sweep: keeps a block within the processor's cache.
BLOCK = 4096


def initial_transfer(theta: Theta, seed: int) -> dict[str, Tensor]:
    """Φ untrained for models of this form, Glorot-uniform, each tensor by its own fan.

    Under "user/filters1" [3, f1], "…/filters2" [f1, f2], "…/kernel1" [f2 * e, hidden], "…/bias1" [hidden],
    "…/kernel2" [hidden, e] and "…/bias2" [e]; e: a table's width or an MLP tensor's number of scalars.
    """
    sizes = {name: (*TABLE_FILTERS, TABLE_HIDDEN, table.shape[1]) for name, table in theta.tables.items()}
    for name, tensor in theta.mlp.items():
        sizes[name] = (*MLP_FILTERS, MLP_HIDDEN[name], tensor.numel())
    phi = {}
    for name, (first, second, hidden, e) in sizes.items():
        shapes: dict[str, tuple[int, ...]] = {
            "filters1": (3, first),
            "filters2": (first, second),
            "kernel1": (second * e, hidden),
            "bias1": (hidden,),
            "kernel2": (hidden, e),
            "bias2": (e,),
        }
        for part, shape in shapes.items():
            # A filter over c channels has fan c in and c * filters out.
            fan_out = prod(shape) if part.startswith("filters") else shape[-1]
            limit = float(np.sqrt(6.0 / (shape[0] + fan_out)))
            key = id_hashes("initial:transfer", [f"{name}/{part}"])
            phi[f"{name}/{part}"] = torch.from_numpy(uniform(seed, key, prod(shape), limit).reshape(shape))
    device = theta.tables["user"].device
    return {name: tensor.to(device) for name, tensor in phi.items()}


def transfer(phi: Mapping[str, Tensor], name: str, previous: Tensor, updated: Tensor) -> Tensor:
    """[r, e] rows of the table or MLP tensor `name`, from those before and those updated, [r, e] each."""
    r, e = updated.shape
    product = previous * updated / (previous.norm(dim=1, keepdim=True) + LENGTH_EPSILON)
    x = torch.stack([previous, updated, product]).view(3, r * e)
    x = gelu(phi[f"{name}/filters1"].T @ x)  # [f1, r * e]
    x = gelu(phi[f"{name}/filters2"].T @ x)  # [f2, r * e]
    x = x.view(len(x), r, e).transpose(0, 1).reshape(r, len(x) * e)  # [r, f2 * e], also where r is 0
    x = gelu(linear(x, phi[f"{name}/kernel1"].T, phi[f"{name}/bias1"]))  # [r, hidden]
    return linear(x, phi[f"{name}/kernel2"].T, phi[f"{name}/bias2"])


def transfer_mlp(
    phi: Mapping[str, Tensor], previous: Mapping[str, Tensor], updated: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The MLP, every tensor from the one before and the one updated."""
    return {
        name: transfer(phi, name, previous[name].reshape(1, -1), tensor.reshape(1, -1)).view_as(tensor)
        for name, tensor in updated.items()
    }


@torch.no_grad()
def sweep(phi: Mapping[str, Tensor], previous: Theta, updated: Theta) -> Theta:
    """W = Φ(previous, updated): all rows of both, which must have the same, and the MLP."""
    tables = {}
    for name, table in updated.tables.items():
        made = torch.empty_like(table)
        for start in range(0, len(table), BLOCK):
            rows = slice(start, start + BLOCK)
            made[rows] = transfer(phi, name, previous.tables[name][rows], table[rows])
        tables[name] = made
    return Theta(tables, transfer_mlp(phi, previous.mlp, updated.mlp))
