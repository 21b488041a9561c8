"""The method written down once more, as slowly as the equations read: every row, every step, by autograd."""

import torch

from metagen.joint import joint_batches
from metagen.touched import Touched
from metagen.window import MLP, Part, bank_of, hidden_of, shaped_mlp
from trainer.batches import make_batch, shuffled
from trainer.model import forward, loss_of


def double(tensors):
    return {name: one.double() for name, one in tensors.items()}


def first_joint(data, catalogue, batch, seed=0):
    """The rows the period sets touch, their first joint batch, and its runs as batches on whole tables."""
    touched = Touched.of(data, catalogue)
    joint = next(joint_batches(touched, batch, seed, 0))
    runs = -(-len(data[-1]) // batch)
    slices = [make_batch(shuffled(one, seed).part(0, len(one) // runs), catalogue) for one in data]
    return touched, joint, slices


def part_of(window, hidden, touched):
    """What `multi.window_loss` takes of a window and hidden states, in double precision."""
    part = window.part(touched.rows)
    part = Part(double(part.tables), part.mlp.double(), part.shapes, part.own)
    some = {name: hidden_of(hidden[name], rows).double() for name, rows in touched.rows.items()}
    return part, some | {MLP: hidden[MLP].double()}


def coordinate_cell(bank, theta, h):
    """Eq. 4 of a bank; theta [P, 1, R], h [P, d, R]."""
    d = h.shape[1]
    u, w, b = bank["u"], bank["w"], bank.get("b", torch.zeros_like(bank["u"]))
    z, r = (
        torch.sigmoid(u[:, at] * theta + w[:, at] @ h + b[:, at]) for at in (slice(0, d), slice(d, 2 * d))
    )
    last = slice(2 * d, 3 * d)
    candidate = torch.tanh(u[:, last] * theta + w[:, last] @ (r * h) + b[:, last])
    return (1 - z) * h + z * candidate


def coordinate_unroll(bank, thetas, h, residual):
    """For each model [P, 1, R] its (θ* [P, 1, R], h [P, d, R])."""
    for theta in thetas:
        h = coordinate_cell(bank, theta, h)
        offset = bank["w_y"] @ h + bank["b_y"]
        yield (theta + offset if residual else offset), h


def coordinate_loss(window, slices, omega, hidden, weights, residual):
    """Eq. 7; the last `weights` of the window's steps count, a slice for each."""
    tables, mlps = [{} for _ in window.mlp], []
    for name, models in window.tables.items():
        thetas = [one.to(omega[f"{name}/u"]).T[:, None] for one in models]
        h = hidden[name].to(thetas[0]).permute(1, 2, 0)
        for step, (star, _) in enumerate(coordinate_unroll(bank_of(omega, name), thetas, h, residual)):
            tables[step][name] = star[:, 0].T
    thetas = list(window.mlp[:, :, None, None].to(omega[f"{MLP}/u"]))
    h = hidden[MLP].to(thetas[0]).mT
    for star, _ in coordinate_unroll(bank_of(omega, MLP), thetas, h, residual):
        mlps.append(shaped_mlp(star[:, 0, 0], window.shapes))
    steps = list(zip(tables, mlps, strict=True))[-len(weights) :]
    return sum(
        weight * loss_of(forward(_touched(table, one), mlp, one, window.own), one.label)
        for weight, (table, mlp), one in zip(weights, steps, slices, strict=True)
    )


def row_cell(weights, v, h):
    """ASMG+'s cell; v [R, n], h [R, d]."""
    d = h.shape[1]
    u, w, b = weights["u"], weights["w"], weights["b"]
    z, r = (torch.sigmoid(v @ u[at].T + h @ w[at].T + b[at]) for at in (slice(0, d), slice(d, 2 * d)))
    q = torch.tanh(v @ u[2 * d :].T + (r * h) @ w[2 * d :].T + b[2 * d :])
    return (1 - z) * h + z * q


def row_unroll(weights, v, h, width):
    """For each model θ* [R, o]; v [R, k, n]."""
    for i in range(v.shape[1]):
        h = row_cell(weights, v[:, i], h)
        theta = v[:, i, :width]
        slots = theta.new_zeros(len(theta), len(weights["b_y"]) - width)
        yield torch.cat([theta, slots], 1) + h @ weights["w_y"].T + weights["b_y"]


def row_loss(window, slices, omega, hidden, weights):
    """Eq. 7 of ASMG+."""
    tables = [{} for _ in slices]
    for name, table in window.models[-1].theta.tables.items():
        bank = bank_of(omega, name)
        v = window.inputs(name, slice(None)).to(bank["u"])
        h = torch.zeros(len(table), hidden[name].shape[2], dtype=v.dtype)
        h[: len(hidden[name])] = hidden[name][:, 0]
        for step, star in zip(tables, row_unroll(bank, v, h, table.shape[1]), strict=True):
            step[name] = star
    mlp, own = bank_of(omega, MLP), window.models[-1].theta.own
    return sum(
        weight * loss_of(forward(_touched(table, one), mlp, one, own), one.label)
        for weight, table, one in zip(weights, tables, slices, strict=True)
    )


def _touched(tables, batch):
    return {name: table[batch.rows[name]] for name, table in tables.items()}
