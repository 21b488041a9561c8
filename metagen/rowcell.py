"""One GRU cell that reads a whole row, shared by all rows of a table (method.md, ASMG+).

z, r = σ(U v + W h + b); q = tanh(U_q v + W_q (r∘h) + b_q); h ← (1 - z)∘h + z∘q; θ* = θ_i + W_y h + b_y, where
v = [θ_i ; θ_i - θ_{i-1} ; f_i] and f_i says how active the row's id was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from metagen.gru import glorot, sigmoid_backward, tanh_, tanh_backward
from trainer.activity import INACTIVE

#: The weights of one table's cell with n inputs, d hidden units and o outputs: "u" [3d, n] and "w" [3d, d],
#: for z, r and q in this order, "b" [3d]; "w_y" [o, d] and "b_y" [o] to θ*.
Cell = Mapping[str, Tensor]

#: In which order functions take them.
WEIGHTS = ("u", "w", "b", "w_y", "b_y")

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


def cell(weights: Cell, v: Tensor, h: Tensor) -> Tensor:
    """[R, d] the hidden states after one more model; v [R, n], h [R, d] those before it."""
    return _step(weights["u"], weights["w"], weights["b"], v, h)[0]


def output(weights: Cell, v: Tensor, h: Tensor) -> Tensor:
    """[R, o] θ*: an offset to the θ_i [R, e] that v begins with; its bias slot, if there is one, is zero."""
    return _output(weights["w_y"], weights["b_y"], v, h, width_of(weights))


def width_of(weights: Cell) -> int:
    """e, the width of the vectors that a cell reads."""
    return (weights["u"].shape[1] - ACTIVITY) // 2


def unroll(weights: Cell, v: Tensor, h: Tensor, counts: Sequence[int]) -> Tensor:
    """[ΣR_i, o] θ* of each model of the window, the newest first; differentiable in the weights alone.

    v: [R, k, n] inputs of R rows from k models, oldest first; h: [R, d] the hidden states before them; of
    model i only the first R_i = counts[i] rows are gone through, R = R_1 >= R_2 >= ….
    """
    stars: Tensor = _Unroll.apply(v, h, tuple(counts), *(weights[name] for name in WEIGHTS))
    return stars


def _step(u: Tensor, w: Tensor, b: Tensor, v: Tensor, h: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """h [R, d] after one model, and what its gradient needs: z and r [R, 2d], r∘h and q [R, d]."""
    d = h.shape[1]
    gates = torch.addmm(b, v, u.T)  # [R, 3d]
    zr = torch.addmm(gates[:, : 2 * d], h, w[: 2 * d].T).sigmoid_()
    rh = zr[:, d:] * h
    q = tanh_(torch.addmm(gates[:, 2 * d :], rh, w[2 * d :].T))
    return torch.lerp(h, q, zr[:, :d]), zr, rh, q  # (1 - z)∘h + z∘q


def _output(w_y: Tensor, b_y: Tensor, v: Tensor, h: Tensor, width: int) -> Tensor:
    star = torch.addmm(b_y, h, w_y.T)
    star[:, :width] += v[:, :width]
    return star


class _Unroll(torch.autograd.Function):
    """`unroll` with its gradient by hand: through the steps backwards, all rows of a step at once.

    It computes what autograd would, without a graph, and adds up the weights' gradients in place.
    """

    @staticmethod
    def forward(ctx: Any, v: Tensor, h: Tensor, counts: tuple[int, ...], *weights: Tensor) -> Tensor:
        u, w, b, w_y, b_y = weights
        width = (u.shape[1] - ACTIVITY) // 2
        stars = v.new_empty(sum(counts), len(b_y))
        steps, end = [], len(stars)
        for i, count in enumerate(counts):
            of_step = v[:count, i]
            before = h[:count]
            h, *kept = _step(u, w, b, of_step, before)
            steps.append((of_step, before, h, *kept))
            torch.addmm(b_y, h, w_y.T, out=stars[end - count : end])
            stars[end - count : end, :width] += of_step[:, :width]
            end -= count
        ctx.steps, ctx.weights = steps, weights
        return stars

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (of_stars,) = gradients
        u, w, b, w_y, _ = ctx.weights
        d = w.shape[1]
        w_zr, w_q = w[: 2 * d], w[2 * d :]
        of_u, of_w, of_b = torch.zeros_like(u), torch.zeros_like(w), torch.zeros_like(b)
        of_w_y, of_b_y = torch.zeros_like(w_y), of_stars.sum(0)
        of_h, start = of_stars.new_empty(0, d), 0
        for i in reversed(range(len(ctx.steps))):
            v, before, h, zr, rh, q = ctx.steps[i]
            z, r, of_star = zr[:, :d], zr[:, d:], of_stars[start : start + len(v)]
            start += len(v)
            of_w_y.addmm_(of_star.T, h)
            g = of_star @ w_y  # [R_i, d] by h_i
            g[: len(of_h)] += of_h
            gates = v.new_empty(len(v), 3 * d)
            by_q = tanh_backward(g * z, q, grad_input=gates[:, 2 * d :])
            by_rh = by_q @ w_q  # [R_i, d]
            torch.mul(g, q - before, out=gates[:, :d])
            torch.mul(by_rh, before, out=gates[:, d : 2 * d])
            by_zr = sigmoid_backward(gates[:, : 2 * d], zr, grad_input=gates[:, : 2 * d])
            of_u.addmm_(gates.T, v)
            of_b += gates.sum(0)
            of_w[: 2 * d].addmm_(by_zr.T, before)
            of_w[2 * d :].addmm_(by_q.T, rh)
            if i:
                of_h = torch.addcmul(g, g, z, value=-1).addcmul_(by_rh, r).addmm_(by_zr, w_zr)
        return None, None, None, of_u, of_w, of_b, of_w_y, of_b_y
