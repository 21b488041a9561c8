"""What a generator must beat: averages of the snapshots, in which nothing is trained.

ω is empty; `trained` counts the periods all the same, so that warm-up and gate treat them as any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from metagen.generator import Model
from metagen.window import MLP, GeneratorState, flat_mlp, shaped_mlp
from trainer.adam import zero_moments
from trainer.average import averaged
from trainer.batches import Examples
from trainer.catalogue import Catalogue
from trainer.model import Theta


class Average:
    """Θ*_t = (Θ_{t-k+1} + … + Θ_t) / k; a row that is new in the window counts with its initial vector."""

    before = 0
    reads_activity = False

    def __init__(self, k: int) -> None:
        self.k = self.least = k

    def initial(self, theta: Theta) -> GeneratorState:  # noqa: ARG002 nothing depends on it
        """Nothing but the count."""
        return _untrained({}, 0)

    def train(
        self,
        models: Sequence[Model],  # noqa: ARG002
        data: Sequence[Examples],  # noqa: ARG002
        catalogue: Catalogue,  # noqa: ARG002
        state: GeneratorState,
    ) -> GeneratorState:
        """One period more."""
        return _untrained({}, state.trained + 1)

    def generate(self, models: Sequence[Model], state: GeneratorState) -> Theta:  # noqa: ARG002
        """The mean, parameter by parameter."""
        named = [model.theta.named() for model in models]
        mean = {name: torch.stack([one[name] for one in named]).mean(0) for name in named[0]}
        last = models[-1].theta
        tables = {name: mean[name] for name in last.tables}
        return replace(last, tables=tables, mlp={name: mean[name] for name in last.mlp})


class Ema:
    """Θ*_t = β Θ*_{t-1} + (1 - β) Θ_t from Θ*_1 = Θ_1 on, β being the decay.

    The hidden state is the average itself, of the models before the window of one: `train` takes Θ_{t-1}
    into it, as a cell's is carried past the window's first model, and `generate` looks one model further. A
    row that is new starts from its initial vector, as if it had always had it.
    """

    k = least = 1
    before = 0
    reads_activity = False

    def __init__(self, decay: float) -> None:
        self.decay = decay

    def initial(self, theta: Theta) -> GeneratorState:
        """The average of this one model: tables [rows, e, 1], MLP [S, 1, 1]."""
        return _untrained(_hidden(theta), 0)

    def train(
        self,
        models: Sequence[Model],
        data: Sequence[Examples],  # noqa: ARG002
        catalogue: Catalogue,  # noqa: ARG002
        state: GeneratorState,
    ) -> GeneratorState:
        """The average with Θ_{t-1} taken in."""
        newest = _hidden(models[-1].theta)
        hidden = {name: self._next(state.hidden[name], one) for name, one in newest.items()}
        return _untrained(hidden, state.trained + 1)

    def generate(self, models: Sequence[Model], state: GeneratorState) -> Theta:
        """The average with Θ_t taken in."""
        newest = models[-1].theta
        star = {name: self._next(state.hidden[name], one) for name, one in _hidden(newest).items()}
        shapes = {name: tensor.shape for name, tensor in newest.mlp.items()}
        tables = {name: star[name][..., 0] for name in newest.tables}
        return replace(newest, tables=tables, mlp=shaped_mlp(star[MLP].flatten(), shapes))

    def _next(self, average: Tensor, newest: Tensor) -> Tensor:
        """β average + (1 - β) newest; rows that the average lacks are at their initial vector in `newest`."""
        return averaged(torch.cat([average, newest[len(average) :]]), newest, self.decay)


def _hidden(theta: Theta) -> dict[str, Tensor]:
    """A model in the shape of a hidden state of size 1."""
    return {name: table[..., None] for name, table in theta.tables.items()} | {
        MLP: flat_mlp(theta)[:, None, None]
    }


def _untrained(hidden: dict[str, Tensor], trained: int) -> GeneratorState:
    return GeneratorState({}, zero_moments({}), hidden, trained)
