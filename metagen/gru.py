"""The GRU meta generator, coordinate by coordinate: the paper's equations 4, 5 and 7.

A *bank* holds P cells that never look at one another. For an embedding table P is its width: a cell per
dimension, shared by the table's R rows. For the MLP P is its scalars: one each, and R = 1. Rows lie last,
so every operation runs along memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod

import torch
from torch import Tensor

from metagen.settings import MetagenSettings, StepWeights
from trainer.vocabulary import id_hashes, uniform

#: The weights of one bank of P cells with d hidden units:
#: "u" [P, 3d, 1] from θ and "w" [P, 3d, d] from h, each for z, r and h̃ in this order; "b" [P, 3d, 1] where
#: gates have biases; "w_y" [P, 1, d] and "b_y" [P, 1, 1] to θ*.
Bank = Mapping[str, Tensor]


def cell(bank: Bank, theta: Tensor, h: Tensor) -> Tensor:
    """[P, d, R] the hidden states after one more model (eq. 4).

    theta: [P, 1, R] the model's parameters; h: [P, d, R] the hidden states before it.
    """
    d = h.shape[1]
    u, w = bank["u"], bank["w"]
    from_theta = u * theta + bank["b"] if "b" in bank else u * theta  # [P, 3d, R]
    zr = torch.sigmoid(from_theta[:, : 2 * d] + w[:, : 2 * d] @ h)  # [P, 2d, R] z_i and r_i
    z, r = zr[:, :d], zr[:, d:]  # [P, d, R] each
    candidate = torch.tanh(from_theta[:, 2 * d :] + w[:, 2 * d :] @ (r * h))  # [P, d, R] h̃_i
    return torch.lerp(h, candidate, z)  # [P, d, R] (1 - z)∘h + z∘h̃


def output(bank: Bank, theta: Tensor, h: Tensor, residual: bool) -> Tensor:
    """[P, 1, R] θ* from the hidden state (eq. 5); residual: as an offset to this step's θ."""
    offset = bank["w_y"] @ h + bank["b_y"]  # [P, 1, R] W·h + b
    return theta + offset if residual else offset


def unroll(
    bank: Bank, thetas: Sequence[Tensor], h: Tensor, residual: bool
) -> Iterator[tuple[Tensor, Tensor]]:
    """For each model of the window (θ* [P, 1, R_i], h_i [P, d, R_i]).

    thetas: per step [P, 1, R_i], R_1 >= R_2 >= …; a step goes on with the first R_i rows of the one before.
    """
    for theta in thetas:
        h = cell(bank, theta, h[..., : theta.shape[-1]])
        yield output(bank, theta, h, residual), h


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
