"""A step of training that generates whole tables, of which the loss then reads the rows of a batch.

Once as the equations read, its gradient by autograd; once by metagen's own unrolling, gradients by hand, so
that nothing lies between the two ways but the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from bench.generator.clock import Clock, Spent
from bench.generator.work import Work
from metagen import gru, rowcell
from metagen.multi import Gru
from metagen.plus import Plus, RowWindow
from metagen.rates import LEARNING_RATE
from metagen.rowcell import width_of
from metagen.window import MLP, GeneratorState, Window, bank_of, shaped_mlp
from trainer.adam import DenseAdam
from trainer.batches import Batch, Examples, make_batch, shuffled
from trainer.model import forward, loss_of

#: equations: autograd over the equations as written; own: metagen's unrolling.
Form = Literal["equations", "own"]
FORMS: tuple[Form, ...] = ("equations", "own")

#: ω as leaves, and a batch of each period set, to the loss, a scalar.
Loss = Callable[[Mapping[str, Tensor], Sequence[Batch]], Tensor]


def dense_steps(
    generator: Gru | Plus, work: Work, state: GeneratorState, form: Form, count: int, clock: Clock
) -> list[Spent]:
    """What each of `count` steps took, the batches' making included; one before them is not told."""
    loss, rates = _prepared(generator, work, state, form)
    omega = {name: one.clone() for name, one in state.omega.items()}
    adam = DenseAdam(omega, state.moments, rates)
    runs = slices_of([shuffled(one, generator.seed) for one in work.data], generator.batch)
    device = work.models[-1].theta.tables["user"].device

    def step() -> None:
        slices = [make_batch(one, work.catalogue, device) for one in next(runs)]
        leaves = {name: one.detach().requires_grad_() for name, one in omega.items()}
        gradients = torch.autograd.grad(loss(leaves, slices), list(leaves.values()))
        adam.step(dict(zip(leaves, gradients, strict=True)))

    return [clock.of(step)[1] for _ in range(count + 1)][1:]


def dense_loss(
    generator: Gru | Plus, work: Work, state: GeneratorState, form: Form
) -> Callable[[Mapping[str, Tensor], Sequence[Examples]], Tensor]:
    """The loss of a step (eq. 7) on a run of examples from each period set, rows as in the whole tables."""
    loss, _ = _prepared(generator, work, state, form)
    return lambda omega, runs: loss(omega, [make_batch(one, work.catalogue) for one in runs])


def slices_of(sets: Sequence[Examples], batch: int) -> Iterator[list[Examples]]:
    """A run of examples from each set, as joint batches have them."""
    runs = -(-len(sets[-1]) // batch)
    for run in range(runs):
        yield [one.part(len(one) * run // runs, len(one) * (run + 1) // runs) for one in sets]


def _prepared(
    generator: Gru | Plus, work: Work, state: GeneratorState, form: Form
) -> tuple[Loss, float | Mapping[str, float]]:
    """The loss with its inputs at hand, and Adam's learning rates."""
    if isinstance(generator, Gru):
        return _coordinates(generator, work, state, form), LEARNING_RATE
    cells, mlp = generator.rates(-(-len(work.data[-1]) // generator.batch))
    rates = {name: mlp if name.startswith(f"{MLP}/") else cells for name in state.omega}
    return _rows(generator, work, state, form), rates


def _coordinates(generator: Gru, work: Work, state: GeneratorState, form: Form) -> Loss:
    """That of the paper's cells."""
    window, weights = Window.of([one.theta for one in work.models]), generator.weights(len(work.models))
    residual = generator.settings.residual
    thetas = {name: torch.stack([one.T for one in models]) for name, models in window.tables.items()}
    thetas[MLP] = window.mlp[:, :, None]
    hidden = {name: state.hidden[name].permute(1, 2, 0).contiguous() for name in window.tables}
    hidden[MLP] = state.hidden[MLP].mT.contiguous()

    def stars(omega: Mapping[str, Tensor], name: str) -> Sequence[Tensor]:
        """[P, R] θ* of each model."""
        bank, theta, h = bank_of(omega, name), thetas[name], hidden[name]
        if form == "own":
            counts = [theta.shape[2]] * len(theta)
            return gru.unroll(bank, theta, h, counts, len(theta), residual)
        return list(coordinate_unroll(bank, theta, h, residual))

    def loss(omega: Mapping[str, Tensor], slices: Sequence[Batch]) -> Tensor:
        tables = {name: stars(omega, name) for name in window.tables}
        losses = [
            weight
            * loss_of(
                forward(
                    _touched({name: one[i].T for name, one in tables.items()}, batch),
                    shaped_mlp(mlp[:, 0], window.shapes),
                    batch,
                ),
                batch.label,
            )
            for i, (weight, mlp, batch) in enumerate(zip(weights, stars(omega, MLP), slices, strict=True))
        ]
        return torch.stack(losses).sum()

    return loss


def _rows(generator: Plus, work: Work, state: GeneratorState, form: Form) -> Loss:
    """That of ASMG+."""
    window = RowWindow(work.models)
    weights = gru.step_weights(generator.settings.weights, len(window))
    inputs = {name: window.inputs(name, slice(None)) for name in work.models[-1].theta.tables}  # [R, k, n]
    hidden = {name: state.hidden[name][:, 0] for name in inputs}

    def stars(omega: Mapping[str, Tensor], name: str) -> Sequence[Tensor]:
        """[R, o] θ* of each model."""
        cell, v = bank_of(omega, name), inputs[name]
        if form == "own":
            newest = rowcell.with_one(v).flip(1).transpose(0, 1).flatten(0, 1)
            whole = rowcell.unroll(cell, newest, hidden[name], [len(v)] * len(window))
            return whole.view(len(window), len(v), -1).unbind()[::-1]  # the newest comes first
        return list(row_unroll(cell, v, hidden[name]))

    def loss(omega: Mapping[str, Tensor], slices: Sequence[Batch]) -> Tensor:
        tables = {name: stars(omega, name) for name in inputs}
        mlp = bank_of(omega, MLP)
        losses = [
            weight
            * loss_of(
                forward(_touched({name: one[i] for name, one in tables.items()}, batch), mlp, batch),
                batch.label,
            )
            for i, (weight, batch) in enumerate(zip(weights, slices, strict=True))
        ]
        return torch.stack(losses).sum()

    return loss


def coordinate_unroll(bank: gru.Bank, thetas: Tensor, h: Tensor, residual: bool) -> Iterator[Tensor]:
    """[P, R] θ* of each model by eq. 4 and 5; thetas [k, P, R], h [P, d, R]."""
    d = h.shape[1]
    u, w, b = bank["u"], bank["w"], bank.get("b")
    z_part, r_part, q_part = (slice(i * d, (i + 1) * d) for i in range(3))

    def gate(part: slice, theta: Tensor, state: Tensor) -> Tensor:
        sum_ = u[:, part] * theta + w[:, part] @ state
        return sum_ if b is None else sum_ + b[:, part]

    for theta in thetas[:, :, None]:  # [P, 1, R]
        z, r = torch.sigmoid(gate(z_part, theta, h)), torch.sigmoid(gate(r_part, theta, h))
        h = (1 - z) * h + z * torch.tanh(gate(q_part, theta, r * h))
        offset = bank["w_y"] @ h + bank["b_y"]
        yield (theta + offset if residual else offset)[:, 0]


def row_unroll(cell: rowcell.Cell, v: Tensor, h: Tensor) -> Iterator[Tensor]:
    """[R, o] θ* of each model by method.md's equations of ASMG+; v [R, k, n], h [R, d]."""
    d, width, outputs = h.shape[1], width_of(cell), len(cell["b_y"])
    u, w, b = cell["u"], cell["w"], cell["b"]
    z_part, r_part, q_part = (slice(i * d, (i + 1) * d) for i in range(3))

    def gate(part: slice, of: Tensor, state: Tensor) -> Tensor:
        return of @ u[part].T + state @ w[part].T + b[part]

    for of in v.unbind(1):  # [R, n]
        z, r = torch.sigmoid(gate(z_part, of, h)), torch.sigmoid(gate(r_part, of, h))
        h = (1 - z) * h + z * torch.tanh(gate(q_part, of, r * h))
        yield pad(of[:, :width], (0, outputs - width)) + h @ cell["w_y"].T + cell["b_y"]


def _touched(tables: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
    return {name: table.index_select(0, batch.rows[name]) for name, table in tables.items()}
