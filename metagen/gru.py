"""The GRU meta generator, coordinate by coordinate: the paper's equations 4, 5 and 7.

A *bank* holds P cells that never look at one another. For an embedding table P is its width: a cell per
dimension, shared by the table's R rows. For the MLP P is its scalars: one each, and R = 1. Rows lie last,
so every operation runs along memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from metagen.settings import MetagenSettings, StepWeights
from trainer.vocabulary import id_hashes, uniform

#: Gradients through σ and tanh from their results, each in one pass.
sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
tanh_backward = torch.ops.aten.tanh_backward.grad_input

#: The weights of one bank of P cells with d hidden units:
#: "u" [P, 3d, 1] from θ and "w" [P, 3d, d] from h, each for z, r and h̃ in this order; "b" [P, 3d, 1] where
#: gates have biases; "w_y" [P, 1, d] and "b_y" [P, 1, 1] to θ*.
Bank = Mapping[str, Tensor]


def cell(bank: Bank, theta: Tensor, h: Tensor) -> Tensor:
    """[P, d, R] the hidden states after one more model (eq. 4).

    theta: [P, R] the model's parameters; h: [P, d, R] the hidden states before it.
    """
    return _step(bank["u"], bank["w"], bank.get("b"), theta, h)[0]


def output(bank: Bank, theta: Tensor, h: Tensor, residual: bool) -> Tensor:
    """[P, R] θ* from the hidden state (eq. 5); residual: as an offset to this step's θ."""
    return _output(bank["w_y"], bank["b_y"], theta, h, residual)


def unroll(
    bank: Bank, thetas: Tensor, h: Tensor, counts: Sequence[int], scored: int, residual: bool
) -> Sequence[Tensor]:
    """[P, R_i] θ* of each of the last `scored` models, oldest first; differentiable in the weights alone.

    thetas: [k, P, R] of k models, oldest first; h: [P, d, R] the hidden states before them; of model i only
    the first R_i = counts[i] rows are gone through, R = R_1 >= R_2 >= ….
    """
    weights = [bank["u"], bank["w"], bank["w_y"], bank["b_y"], *([bank["b"]] if "b" in bank else [])]
    stars: Sequence[Tensor] = _Unroll.apply(thetas, h, tuple(counts), scored, residual, *weights)
    return stars


def tanh_(x: Tensor) -> Tensor:
    """tanh in place, as 2σ(2x) - 1: on a CPU torch takes a third of the time for it."""
    return x.mul_(2).sigmoid_().mul_(2).sub_(1)


def _step(
    u: Tensor, w: Tensor, b: Tensor | None, theta: Tensor, h: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """h [P, d, R] after one model, and what its gradient needs: z and r [P, 2d, R], r∘h and h̃ [P, d, R]."""
    d = h.shape[1]
    gates = u * theta[:, None] if b is None else torch.addcmul(b, u, theta[:, None])  # [P, 3d, R]
    zr = torch.baddbmm(gates[:, : 2 * d], w[:, : 2 * d], h).sigmoid_()
    rh = zr[:, d:] * h
    candidate = tanh_(torch.baddbmm(gates[:, 2 * d :], w[:, 2 * d :], rh))
    return torch.lerp(h, candidate, zr[:, :d]), zr, rh, candidate  # (1 - z)∘h + z∘h̃


def _output(w_y: Tensor, b_y: Tensor, theta: Tensor, h: Tensor, residual: bool) -> Tensor:
    offset = (torch.bmm(w_y, h) + b_y)[:, 0]  # [P, R] W·h + b
    return theta + offset if residual else offset


class _Unroll(torch.autograd.Function):
    """`unroll` with its gradient by hand: through the steps backwards, all rows of a step at once.

    It computes what autograd would, without a graph, and adds up the weights' gradients in place.
    """

    @staticmethod
    def forward(
        ctx: Any,
        thetas: Tensor,
        h: Tensor,
        counts: tuple[int, ...],
        scored: int,
        residual: bool,
        u: Tensor,
        w: Tensor,
        w_y: Tensor,
        b_y: Tensor,
        b: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        steps, stars = [], []
        for i, count in enumerate(counts):
            theta, before = thetas[i, :, :count], h[..., :count]
            h, *kept = _step(u, w, b, theta, before)
            steps.append((theta, before, h, *kept))
            if i >= len(counts) - scored:
                stars.append(_output(w_y, b_y, theta, h, residual))
        ctx.steps, ctx.weights, ctx.biased = steps, (u, w, w_y), b is not None
        return tuple(stars)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        u, w, w_y = ctx.weights
        d = w.shape[2]
        w_zr, w_h = w[:, : 2 * d].mT, w[:, 2 * d :].mT
        of_u, of_w, of_w_y = torch.zeros_like(u), torch.zeros_like(w), torch.zeros_like(w_y)
        of_b_y = w_y.new_zeros(len(w_y), 1, 1)
        of_b = torch.zeros_like(u) if ctx.biased else None
        of_h = w.new_empty(len(w), d, 0)
        unscored = len(ctx.steps) - len(gradients)
        for i in reversed(range(len(ctx.steps))):
            theta, before, h, zr, rh, candidate = ctx.steps[i]
            z, r = zr[:, :d], zr[:, d:]
            if i >= unscored:
                of_star = gradients[i - unscored][:, None]  # [P, 1, R_i]
                of_b_y += of_star.sum(2, keepdim=True)
                of_w_y += torch.bmm(of_star, h.mT)
                g = w_y.mT * of_star  # [P, d, R_i] by h_i
            else:
                g = torch.zeros_like(before, memory_format=torch.contiguous_format)
            g[..., : of_h.shape[2]] += of_h
            gates = g.new_empty(len(g), 3 * d, g.shape[2])
            by_h = tanh_backward(g * z, candidate, grad_input=gates[:, 2 * d :])
            by_rh = torch.bmm(w_h, by_h)  # [P, d, R_i]
            torch.mul(g, candidate - before, out=gates[:, :d])
            torch.mul(by_rh, before, out=gates[:, d : 2 * d])
            by_zr = sigmoid_backward(gates[:, : 2 * d], zr, grad_input=gates[:, : 2 * d])
            of_u += torch.bmm(gates, theta[:, :, None])
            if of_b is not None:
                of_b += gates.sum(2, keepdim=True)
            of_w[:, : 2 * d] += torch.bmm(by_zr, before.mT)
            of_w[:, 2 * d :] += torch.bmm(by_h, rh.mT)
            if i:
                of_h = torch.addcmul(g, g, z, value=-1).addcmul_(by_rh, r)
                of_h = torch.baddbmm(of_h, w_zr, by_zr)
        return (None,) * 5 + (of_u, of_w, of_w_y, of_b_y, *([of_b] if ctx.biased else []))


def step_weights(kind: StepWeights, steps: int) -> list[float]:
    """λ of a window's steps, oldest first, summing to 1 (eq. 7)."""
    shares = {
        "linear": [float(j) for j in range(1, steps + 1)],
        "uniform": [1.0] * steps,
        "exponential": [2.0**j for j in range(1, steps + 1)],
    }[kind]
    return [share / sum(shares) for share in shares]


def initial_bank(settings: MetagenSettings, seed: int, name: str, cells: int) -> dict[str, Tensor]:
    """The untrained weights of a bank, a function of (seed, name).

    Kernels from θ, from h and to θ* are Glorot-uniform with one cell's own fans (1 and d, d and d, d and 1);
    biases are zero. With residual output W and b to θ* are zero, so that Θ* is Θ_t until training moves them.
    """
    d = settings.hidden_size
    bank = {
        "u": glorot(seed, f"{name}/u", (cells, 3 * d, 1), 1 + d),
        "w": glorot(seed, f"{name}/w", (cells, 3 * d, d), 2 * d),
        "w_y": glorot(seed, f"{name}/w_y", (cells, 1, d), d + 1),
        "b_y": torch.zeros(cells, 1, 1),
    }
    if settings.gate_biases:
        bank["b"] = torch.zeros(cells, 3 * d, 1)
    if settings.residual:
        bank["w_y"] = torch.zeros(cells, 1, d)
    return bank


def glorot(seed: int, name: str, shape: tuple[int, ...], fans: int) -> Tensor:
    """Uniform in ±sqrt(6 / fans), a function of (seed, name); fans: in and out together."""
    values = uniform(seed, id_hashes("generator", [name]), prod(shape), (6.0 / fans) ** 0.5)
    return torch.from_numpy(values.reshape(shape))
