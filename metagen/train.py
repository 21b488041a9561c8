"""One period of generator training, on the rows its batches touch alone.

The generator works coordinate by coordinate and the loss reads only a batch's rows, so generating just those
gives the loss and the gradient on ω that generating whole tables would (method.md, Exactness).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from metagen.joint import Joint, joint_batches
from metagen.laid import Laid
from metagen.settings import MetagenSettings
from metagen.touched import Touched
from trainer.adam import DenseAdam, Moments, zero_moments

#: ω as leaves, and a run of examples from each period set that is scored, to the loss, a scalar.
Loss = Callable[[Mapping[str, Tensor], Joint], Tensor]


def train(
    omega: Mapping[str, Tensor],
    moments: Moments,
    touched: Touched,
    loss: Loss,
    settings: MetagenSettings,
    batch: int,
    seed: int,
    learning_rate: float | Mapping[str, float],
) -> tuple[dict[str, Tensor], Moments]:
    """ω_t with its moments, from ω_{t-1} and the period sets that the loss scores, D_t the last of them.

    A function of its arguments, bit for bit, on a CPU with a given number of threads.
    """
    laid = Laid.of(omega, learning_rate)
    if settings.moments == "fresh":
        moments = zero_moments(omega)
    flat = laid.joined(omega)
    adam = DenseAdam(flat, Moments(laid.joined(moments.m), laid.joined(moments.v), moments.step), laid.rates)
    device = next(iter(omega.values())).device
    for epoch in range(settings.epochs):
        for joint in joint_batches(touched, batch, seed, epoch, device):
            leaves = {name: tensor.detach().requires_grad_() for name, tensor in flat.items()}
            gradients = torch.autograd.grad(loss(laid.parted(leaves), joint), list(leaves.values()))
            adam.step(dict(zip(leaves, gradients, strict=True)))
    moved = adam.moments()
    return laid.parted(flat), Moments(laid.parted(moved.m), laid.parted(moved.v), moved.step)
