"""One period of generator training, on the rows its batches touch alone.

The generator works coordinate by coordinate and the loss reads only a batch's rows, so generating just those
gives the loss and the gradient on ω that generating whole tables would (method.md, Exactness).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding

from metagen.gru import unroll
from metagen.settings import MetagenSettings
from metagen.window import MLP, Window, bank_of, shaped_mlp
from trainer.adam import DenseAdam, Moments, zero_moments
from trainer.batches import Batch, Examples, make_batch, shuffled
from trainer.catalogue import Catalogue
from trainer.model import forward, loss_of

#: Adam's learning rate on ω (paper, 4.1.4).
LEARNING_RATE = 1e-2

#: ω as leaves, and a run of batches, one from each period set that is scored, to the loss, a scalar.
Loss = Callable[[Mapping[str, Tensor], Sequence[Batch]], Tensor]


@dataclass(frozen=True, eq=False)
class TouchedRows:
    """The rows of one table that a step's k batches read, those that late steps read first.

    Step i of the window needs only the first `counts[i]` of them: its own and those of the steps after it.
    """

    rows: Tensor  # [r] rows of the table, each once
    counts: list[int]  # k numbers, not increasing
    places: list[Tensor]  # for each of the k batches, where in `rows` its rows lie


def train(
    omega: Mapping[str, Tensor],
    moments: Moments,
    data: Sequence[Examples],
    catalogue: Catalogue,
    loss: Loss,
    settings: MetagenSettings,
    batch: int,
    seed: int,
    learning_rate: float | Mapping[str, float],
) -> tuple[dict[str, Tensor], Moments]:
    """ω_t with its moments, from ω_{t-1} and the period sets that the loss scores, D_t the last of them.

    The sets are shuffled and cut into the same number of batches, ceil(|D_t| / batch). A function of its
    arguments, bit for bit, on a CPU with a given number of threads.
    """
    trained = {name: tensor.clone() for name, tensor in omega.items()}
    if settings.moments == "fresh":
        moments = zero_moments(trained)
    adam = DenseAdam(trained, moments, learning_rate)
    device = next(iter(trained.values())).device
    for epoch in range(settings.epochs):
        for slices in joint_batches(data, catalogue, batch, seed, epoch, device):
            leaves = {name: tensor.detach().requires_grad_() for name, tensor in trained.items()}
            gradients = torch.autograd.grad(loss(leaves, slices), list(leaves.values()))
            adam.step(dict(zip(leaves, gradients, strict=True)))
    return trained, adam.moments()


def joint_batches(
    data: Sequence[Examples],
    catalogue: Catalogue,
    batch: int,
    seed: int,
    epoch: int,
    device: torch.device | None = None,
) -> Iterator[list[Batch]]:
    """Runs of k batches, one from each period set."""
    parts = -(-len(data[-1]) // batch)
    sets = [shuffled(examples, seed, epoch) for examples in data]
    for part in range(parts):
        yield [
            make_batch(one.part(len(one) * part // parts, len(one) * (part + 1) // parts), catalogue, device)
            for one in sets
        ]


def window_loss(
    window: Window,
    slices: Sequence[Batch],
    omega: Mapping[str, Tensor],
    hidden: Mapping[str, Tensor],
    weights: Sequence[float],
    residual: bool,
) -> Tensor:
    """Σ λ_i L(Θ_i* | slice of D_{i+1}), a scalar (eq. 7), over the window's last steps, one for each slice.

    Steps before those are gone through but not scored; with one slice this is eq. 6.
    """
    unscored = len(window) - len(slices)
    tables: list[dict[str, Tensor]] = [{} for _ in slices]
    for name, table in window.tables.items():
        touched = touched_rows([one.rows[name] for one in slices])
        counts = [touched.counts[0]] * unscored + touched.counts
        h = hidden[name].index_select(0, touched.rows).permute(1, 2, 0)  # [e, d, r]
        thetas = [
            model.index_select(0, touched.rows[:count]).T[:, None]  # [e, 1, r_i]
            for model, count in zip(table, counts, strict=True)
        ]
        generated = unroll(bank_of(omega, name), thetas, h.contiguous(), residual)
        for step, (star, _) in enumerate(islice(generated, unscored, None)):
            tables[step][name] = embedding(touched.places[step], star[:, 0].T)  # [touched of the slice, e]
    h = hidden[MLP].transpose(1, 2)  # [S, d, 1]
    generated = unroll(bank_of(omega, MLP), list(window.mlp[:, :, None, None]), h, residual)
    losses = [
        weight * loss_of(forward(rows, shaped_mlp(star[:, 0, 0], window.shapes), one), one.label)
        for weight, rows, (star, _), one in zip(
            weights, tables, islice(generated, unscored, None), slices, strict=True
        )
        if len(one.label)
    ]
    return torch.stack(losses).sum()


def touched_rows(rows: Sequence[Tensor]) -> TouchedRows:
    """Joins the rows (each ascending, each once) that the window's k batches touch in one table."""
    lengths = [len(one) for one in rows]
    joint, inverse = np.unique(np.concatenate([one.cpu().numpy() for one in rows]), return_inverse=True)
    last = np.zeros(len(joint), np.int64)
    last[inverse] = np.repeat(np.arange(len(rows)), lengths)  # written step by step, so the last step stays
    order = np.argsort(-last, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    device = rows[0].device
    return TouchedRows(
        torch.from_numpy(joint[order]).to(device),
        [int((last >= step).sum()) for step in range(len(rows))],
        [
            torch.from_numpy(one).to(device)
            for one in np.split(place[inverse], np.cumsum(lengths)[:-1].tolist())
        ],
    )
