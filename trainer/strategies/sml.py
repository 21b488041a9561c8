"""SML: a transfer module Φ makes the model that serves, W_t = Φ(W_{t-1}, Ŵ_t) (Zhang et al., SIGIR 2020).

When D_t arrives, in this order:

1. Φ learns from D_t what it should have made of the pair (W_{t-2}, Ŵ_{t-1}) for this, its next period.
2. W_{t-1} is made anew by the Φ that knows D_t.
3. Ŵ_t, which begins as W_{t-1}, learns from D_t through Φ: the loss is that of Φ(W_{t-1}, Ŵ_t).
4. W_t = Φ(W_{t-1}, Ŵ_t) is Θ_t: nothing of D_{t+1} is in it.

So it is in the code of ASMG's authors, and with `transfer_turns` over 1 as in that of SML's: there Ŵ_{t-1},
begun again as what Φ made of it, learns from D_{t-1} once more before Φ learns from D_t again. Here as there
Φ takes all rows of a table, also those that no batch touched, and Adam's moments of Ŵ and Φ are carried.
Not as there: the first Θ_t that there is (no pair yet, Φ untrained) is Ŵ_t itself, updated as by IU, and an
id that D_t brings is not transferred in steps 1 and 2, since it is served from its initial vector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pyarrow as pa
import torch
from torch import Tensor
from torch.nn.functional import embedding

from stream.errors import MissingArtefact
from trainer.adam import DenseAdam, Moments, zero_moments
from trainer.batches import Batch, Examples, batches, shuffled
from trainer.columns import read_moments, read_tensors, read_vectors, tensors_table, vectors
from trainer.leaving import Stay
from trainer.model import Theta, forward, grown, loss_of
from trainer.parts import MLP, TABLES, table_of
from trainer.strategies.contract import Lesson
from trainer.strategies.transfer import initial_transfer, sweep, transfer, transfer_mlp
from trainer.update import Loss, update

#: The part that holds Φ, and what the names of the two models' parts begin with.
TRANSFER, PREVIOUS, UPDATED = "sml_transfer", "sml_previous_", "sml_updated_"


@dataclass(frozen=True, eq=False)
class Module:
    """Φ with its moments."""

    phi: dict[str, Tensor]  # as of `initial_transfer`
    moments: Moments

    def to(self, device: torch.device) -> Module:
        """The same module on a device."""
        return Module({name: one.to(device) for name, one in self.phi.items()}, self.moments.to(device))


@dataclass(frozen=True, eq=False)
class Pair:
    """What Φ makes a model of, over the same rows."""

    previous: Theta  # W_{t-1}
    updated: Theta  # Ŵ_t


class Transferred:
    """W_t from W_{t-1} and Ŵ_t; remembers both, and Φ."""

    def __init__(self, turns: int, seed: int) -> None:
        self.reach = 2 if turns > 1 else 1
        self.seed = seed
        self.pair: Pair | None = None  # W_{t-1} and Ŵ_t, before the first lesson none
        self.module: Module | None = None

    def learn(self, lesson: Lesson) -> tuple[Theta, Moments]:
        """Θ_t."""
        if self.pair is None or self.module is None:
            phi = initial_transfer(lesson.theta, self.seed)
            self.module = Module(phi, zero_moments(phi))
            theta, moments = _update(lesson, lesson.theta, lesson.moments, lesson.examples)
            self.pair = Pair(lesson.theta, theta)
            return theta, moments
        before, moments = self._revised(lesson, self.pair, self.module)
        phi = self.module.phi
        updated, moments = _update(lesson, before, moments, lesson.examples, loss_through(phi, before))
        self.pair = Pair(before, updated)
        return sweep(phi, before, updated), moments

    def pretrained(self, examples: Examples) -> None:
        """Nothing depends on it."""

    def keep(self, stay: Stay) -> None:
        """The pair over the rows that stay."""
        if self.pair is not None:
            self.pair = Pair(stay.theta(self.pair.previous), stay.theta(self.pair.updated))

    def parts(self) -> dict[str, pa.Table]:
        """The pair's tables (vector) in the order of the snapshot's rows, its MLPs, and Φ; none at first."""
        if self.pair is None or self.module is None:
            return {}
        parts = {TRANSFER: tensors_table(self.module.phi, self.module.moments)}
        for prefix, theta in ((PREVIOUS, self.pair.previous), (UPDATED, self.pair.updated)):
            tables = {name: table_of({"vector": vectors(table)}) for name, table in theta.tables.items()}
            tables[MLP] = tensors_table(theta.mlp, None)
            parts |= {prefix + name: part for name, part in tables.items()}
        return parts

    def restore(self, parts: Mapping[str, pa.Table]) -> None:
        """What `parts` gave; parts without Φ are of a model before the first lesson.

        Raises: MissingArtefact: Φ is there and another part is not.
        """
        if TRANSFER not in parts:
            return
        part = parts[TRANSFER]
        self.module = Module(read_tensors(part), read_moments(part))
        self.pair = Pair(_read_theta(parts, PREVIOUS), _read_theta(parts, UPDATED))

    def _revised(self, lesson: Lesson, pair: Pair, module: Module) -> tuple[Theta, Moments]:
        """Steps 1 and 2: W_{t-1} grown to the catalogue's rows; Φ is trained and kept."""
        known = {name: len(table) for name, table in pair.previous.tables.items()}
        device = lesson.theta.tables["user"].device
        pair = Pair(_grown(pair.previous.to(device), lesson), _grown(pair.updated.to(device), lesson))
        module, moments = module.to(device), lesson.moments
        for turn in range(lesson.settings.transfer_turns):
            if turn and lesson.past:
                begun = transferred(module.phi, pair, known)
                loss = loss_through(module.phi, pair.previous)
                updated, moments = _update(lesson, begun, moments, lesson.past[-1], loss)
                pair = replace(pair, updated=updated)
            module = train_transfer(module, pair, known, lesson, turn)
        self.module = module
        return transferred(module.phi, pair, known), moments


def loss_through(phi: Mapping[str, Tensor], previous: Theta) -> Loss:
    """The loss of Φ(previous, updated), a function of what `updated` has in a batch's rows and in its MLP."""

    def loss(rows: dict[str, Tensor], mlp: dict[str, Tensor], batch: Batch) -> Tensor:
        before = previous.touched(batch)
        tables = {name: transfer(phi, name, before[name], updated) for name, updated in rows.items()}
        return loss_of(forward(tables, transfer_mlp(phi, previous.mlp, mlp), batch), batch.label)

    return loss


def transfer_loss(phi: Mapping[str, Tensor], pair: Pair, known: Mapping[str, int], batch: Batch) -> Tensor:
    """The loss on a batch of what Φ makes of the pair, rows from `known` on as they are."""
    tables = {}
    for name, rows in batch.rows.items():
        old, new = rows[rows < known[name]], rows[rows >= known[name]]
        before, updated = pair.previous.tables[name], pair.updated.tables[name]
        made = transfer(phi, name, embedding(old, before), embedding(old, updated))
        tables[name] = torch.cat([made, embedding(new, updated)])  # a batch's rows ascend
    return loss_of(
        forward(tables, transfer_mlp(phi, pair.previous.mlp, pair.updated.mlp), batch), batch.label
    )


def train_transfer(
    module: Module, pair: Pair, known: Mapping[str, int], lesson: Lesson, turn: int = 0
) -> Module:
    """Φ after its passes over D_t, in orders that (seed, t, turn) determine; the pair stays as it is."""
    phi = {name: tensor.clone() for name, tensor in module.phi.items()}
    settings, device = lesson.settings, lesson.theta.tables["user"].device
    adam = DenseAdam(phi, module.moments, settings.transfer_learning_rate)
    for epoch in range(settings.transfer_epochs):
        data = shuffled(lesson.examples, lesson.seed, turn * settings.transfer_epochs + epoch)
        for batch in batches(data, lesson.catalogue, settings.batch, device):
            leaves = {name: tensor.detach().requires_grad_() for name, tensor in phi.items()}
            loss = transfer_loss(leaves, pair, known, batch)
            gradients = torch.autograd.grad(loss, list(leaves.values()))
            adam.step(dict(zip(leaves, gradients, strict=True)))
    return Module(phi, adam.moments())


def transferred(phi: Mapping[str, Tensor], pair: Pair, known: Mapping[str, int]) -> Theta:
    """What Φ makes of the pair, rows from `known` on as they are."""
    made = sweep(phi, pair.previous, pair.updated)
    for name, table in made.tables.items():
        table[known[name] :] = pair.updated.tables[name][known[name] :]
    return made


def _update(
    lesson: Lesson, theta: Theta, moments: Moments, examples: Examples, loss: Loss | None = None
) -> tuple[Theta, Moments]:
    more = () if loss is None else (loss,)
    return update(theta, moments, examples, lesson.catalogue, lesson.settings, lesson.seed, *more)


def _grown(theta: Theta, lesson: Lesson) -> Theta:
    return grown(theta, lesson.catalogue.columns(), lesson.settings, lesson.seed)


def _read_theta(parts: Mapping[str, pa.Table], prefix: str) -> Theta:
    names = [name for name in (*TABLES, MLP) if name in parts]  # those that the snapshot itself has
    for name in names:
        if prefix + name not in parts:
            raise MissingArtefact(f"SML's part {prefix + name!r} is missing; there are {', '.join(parts)}")
    tables = {name: read_vectors(parts[prefix + name], "vector") for name in names if name != MLP}
    return Theta(tables, read_tensors(parts[prefix + MLP]))
