"""One GRU cell that reads a whole row, shared by all rows of a table (method.md, ASMG+).

z, r = σ(U v + W h + b); q = tanh(U_q v + W_q (r∘h) + b_q); h ← (1 - z)∘h + z∘q; θ* = θ_i + W_y h + b_y, where
v = [θ_i ; θ_i - θ_{i-1} ; f_i] and f_i says how active the row's id was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import linear

from metagen.gru import glorot
from trainer.activity import INACTIVE
from trainer.model import with_slot

#: The weights of one table's cell with n inputs, d hidden units and o outputs: "u" [3d, n] and "w" [3d, d],
#: for z, r and q in this order, "b" [3d]; "w_y" [o, d] and "b_y" [o] to θ*.
Cell = Mapping[str, Tensor]

#: How many inputs say how active a row was.
ACTIVITY = len(INACTIVE)


def initial_cell(seed: int, name: str, width: int, slot: bool, d: int) -> dict[str, Tensor]:
    """The untrained weights, a function of (seed, name): Glorot-uniform, biases zero, and no offset to θ.

    width: of the table's vectors; slot: whether a bias is generated behind them.
    """
    inputs, outputs = 2 * width + ACTIVITY, width + slot
    return {
        "u": glorot(seed, f"{name}/u", (3 * d, inputs), inputs + d),
        "w": glorot(seed, f"{name}/w", (3 * d, d), 2 * d),
        "b": torch.zeros(3 * d),
        "w_y": torch.zeros(outputs, d),
        "b_y": torch.zeros(outputs),
    }


def inputs_of(theta: Tensor, before: Tensor, activity: Tensor) -> Tensor:
    """[R, n] v of R rows: θ_i and θ_{i-1} [R, e], activity [R, ACTIVITY]."""
    return torch.cat([theta, theta - before, activity], 1)


def cell(weights: Cell, v: Tensor, h: Tensor) -> Tensor:
    """[R, d] the hidden states after one more model; v [R, n], h [R, d] those before it."""
    d = h.shape[1]
    from_v = linear(v, weights["u"], weights["b"])  # [R, 3d]
    zr = torch.sigmoid(from_v[:, : 2 * d] + linear(h, weights["w"][: 2 * d]))  # [R, 2d]
    z, r = zr[:, :d], zr[:, d:]
    q = torch.tanh(from_v[:, 2 * d :] + linear(r * h, weights["w"][2 * d :]))  # [R, d]
    return torch.lerp(h, q, z)  # (1 - z)∘h + z∘q


def output(weights: Cell, theta: Tensor, h: Tensor) -> Tensor:
    """[R, o] θ*: an offset to this step's θ [R, e], whose bias slot, if there is one, is zero."""
    return with_slot(theta, len(weights["b_y"])) + linear(h, weights["w_y"], weights["b_y"])


def unroll(
    weights: Cell, steps: Sequence[tuple[Tensor, Tensor]], h: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """For each model of the window (θ* [R_i, o], h_i [R_i, d]).

    steps: (θ_i [R_i, e], v_i [R_i, n]), R_1 >= R_2 >= …; a step goes on with the first R_i rows of the one
    before.
    """
    for theta, v in steps:
        h = cell(weights, v, h[: len(theta)])
        yield output(weights, theta, h), h
