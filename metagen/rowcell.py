"""One GRU cell that reads a whole row, shared by all rows of a table (method.md, ASMG+).

z, r = σ(U v + W h + b); q = tanh(U_q v + W_q (r∘h) + b_q); h ← (1 - z)∘h + z∘q; θ* = θ_i + W_y h + b_y, where
v = [θ_i ; θ_i - θ_{i-1} ; f_i] and f_i says how active the row's id was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    u, w, d = weights["u"], weights["w"], h.shape[1]
    gates = torch.addmm(weights["b"], v, u.T)  # [R, 3d]
    zr = torch.addmm(gates[:, : 2 * d], h, w[: 2 * d].T).sigmoid_()
    q = tanh_(torch.addmm(gates[:, 2 * d :], zr[:, d:] * h, w[2 * d :].T))
    return torch.lerp(h, q, zr[:, :d])  # (1 - z)∘h + z∘q


def output(weights: Cell, v: Tensor, h: Tensor) -> Tensor:
    """[R, o] θ*: an offset to the θ_i [R, e] that v begins with; its bias slot, if there is one, is zero."""
    star, width = torch.addmm(weights["b_y"], h, weights["w_y"].T), width_of(weights)
    star[:, :width] += v[:, :width]
    return star


def width_of(weights: Cell) -> int:
    """e, the width of the vectors that a cell reads."""
    return (weights["u"].shape[1] - ACTIVITY) // 2


def unroll(weights: Cell, v: Tensor, h: Tensor, counts: Sequence[int]) -> Tensor:
    """[ΣR_i, o] θ* of each model of the window, the newest first; differentiable in the weights alone.

    v: [ΣR_i, n + 1] what is read of R_i = counts[i] rows of model i, R_1 >= R_2 >= …, and a 1 for the bias
    (`with_one`), oldest model first in the counts and newest first in v; each model's rows are the first R_i
    of the same rows. h: [R_1, d] the hidden states before them all.
    """
    stars: Tensor = _Unroll.apply(v, h, tuple(counts), *(weights[name] for name in WEIGHTS))
    return stars


def with_one(v: Tensor) -> Tensor:
    """[…, n + 1] inputs […, n] with a 1 behind, which biases are the weights of."""
    return torch.nn.functional.pad(v, (0, 1), value=1.0)


class _Unroll(torch.autograd.Function):
    """`unroll` with its gradient by hand: what autograd would compute, without a graph.

    Units lie first and rows last, those of all steps side by side, so every operation runs along memory, and
    what does not go from step to step is done for all of them at once.
    """

    @staticmethod
    def forward(ctx: Any, v: Tensor, h: Tensor, counts: tuple[int, ...], *weights: Tensor) -> Tensor:
        u, w, b, w_y, b_y = weights
        d, newest_first = w.shape[1], list(reversed(counts))
        w_zr, w_q = w[: 2 * d], w[2 * d :]
        gates = torch.mm(torch.cat([u, b[:, None]], 1), v.T)  # [3d, ΣR_i]
        after, rh = (v.new_empty(d, len(v)) for _ in range(2))
        zrs, zs, rs, qs = _by_step(gates, newest_first)
        rhs, afters = torch.split(rh, newest_first, 1), torch.split(after, newest_first, 1)
        before, befores = h.T.contiguous(), []
        for i, count in zip(reversed(range(len(counts))), counts, strict=True):
            before = before[:, :count]
            befores.append(before)
            zrs[i].addmm_(w_zr, before).sigmoid_()
            torch.mul(rs[i], before, out=rhs[i])
            tanh_(qs[i].addmm_(w_q, rhs[i]))
            before = torch.lerp(before, qs[i], zs[i], out=afters[i])  # (1 - z)∘h + z∘q
        ctx.of_steps, ctx.of_all, ctx.weights = (zrs, zs, rs, qs, befores), (v, rh, after), weights
        stars = torch.addmm(b_y[:, None], w_y, after).T.contiguous()
        width = width_of({"u": u})
        stars[:, :width] += v[:, :width]
        return stars

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (of_stars,) = gradients
        _, w, _, w_y, _ = ctx.weights
        v, rh, after = ctx.of_all
        zrs, zs, rs, qs, befores = ctx.of_steps
        d, newest_first = w.shape[1], [one.shape[1] for one in qs]
        w_zr, w_q, of_w = w[: 2 * d].T, w[2 * d :].T, torch.zeros_like(w)
        of_gates = v.new_empty(3 * d, len(v))
        of_zrs, of_zs, of_rs, of_qs = _by_step(of_gates, newest_first)
        of_afters = torch.split(torch.mm(w_y.T, of_stars.T), newest_first, 1)  # [d, R_i] by h_i
        of_h = of_afters[0][:, :0]
        for i, before in enumerate(reversed(befores)):
            g, z, q = of_afters[i], zs[i], qs[i]
            g[:, : of_h.shape[1]] += of_h
            tanh_backward(g * z, q, grad_input=of_qs[i])
            by_rh = torch.mm(w_q, of_qs[i])  # [d, R_i]
            torch.mul(g, q - before, out=of_zs[i])
            torch.mul(by_rh, before, out=of_rs[i])
            sigmoid_backward(of_zrs[i], zrs[i], grad_input=of_zrs[i])
            of_w[: 2 * d].addmm_(of_zrs[i], before.T)
            if i + 1 < len(befores):
                of_h = torch.addcmul(g, g, z, value=-1).addcmul_(by_rh, rs[i]).addmm_(w_zr, of_zrs[i])
        torch.mm(of_gates[2 * d :], rh.T, out=of_w[2 * d :])
        of_u_and_b = torch.mm(v.T, of_gates.T).T
        return (
            None, None, None,
            of_u_and_b[:, :-1], of_w, of_u_and_b[:, -1], of_stars.T @ after.T, of_stars.sum(0),
        )  # fmt: skip


def _by_step(gates: Tensor, counts: list[int]) -> Iterator[tuple[Tensor, ...]]:
    """Views of gates [3d, Σ counts]: z and r together, z, r, and q, each as [units, count] step by step."""
    d = len(gates) // 3
    parts = gates[: 2 * d], gates[:d], gates[d : 2 * d], gates[2 * d :]
    return (torch.split(part, counts, 1) for part in parts)
