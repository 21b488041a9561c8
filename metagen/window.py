"""The window of models a generator reads, and its state between periods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from trainer.adam import Moments
from trainer.model import Theta
from trainer.own import OwnBase

#: The bank and the hidden state of all MLP scalars together.
MLP = "mlp"


@dataclass(frozen=True, eq=False)
class Window:
    """k models over the same rows, oldest first."""

    tables: dict[str, Sequence[Tensor]]  # name -> k times [rows, e]
    mlp: Tensor  # [k, S] the MLP's scalars, tensor after tensor
    shapes: dict[str, torch.Size]  # of the MLP's tensors, in the order of their scalars
    own: OwnBase | None = None  # as the models have it

    @classmethod
    def of(cls, models: Sequence[Theta]) -> Window:
        """The models, nothing copied but MLPs; all must have the same rows (`trainer.model.grown`)."""
        return cls(
            {name: [model.tables[name] for model in models] for name in models[0].tables},
            torch.stack([flat_mlp(model) for model in models]),
            {name: tensor.shape for name, tensor in models[0].mlp.items()},
            models[0].own,
        )

    def __len__(self) -> int:
        return len(self.mlp)

    def rows(self) -> dict[str, int]:
        """How many each table has."""
        return {name: len(models[-1]) for name, models in self.tables.items()}

    def part(self, rows: Mapping[str, Tensor]) -> Part:
        """Some rows of each table."""
        tables = {
            name: torch.stack([model.index_select(0, rows[name]) for model in models], 1)
            for name, models in self.tables.items()
        }
        return Part(tables, self.mlp, self.shapes, self.own)


@dataclass(frozen=True, eq=False)
class Part:
    """The rows of a window that a period's training touches."""

    tables: dict[str, Tensor]  # [touched, k, e] each
    mlp: Tensor  # [k, S]
    shapes: dict[str, torch.Size]
    own: OwnBase | None = None


@dataclass(frozen=True, eq=False)
class GeneratorState:
    """What a generator carries from period to period: ω_t, its moments, and h_{t-k}; either may be empty."""

    omega: dict[str, Tensor]  # trainable tensors under "bank/weight"
    moments: Moments  # under the same names
    hidden: dict[str, Tensor]  # "user" [rows, e, d], … and MLP [S, 1, d]
    trained: int  # periods trained so far

    def to(self, device: torch.device) -> GeneratorState:
        """The same state on a device."""
        return GeneratorState(
            {name: one.to(device) for name, one in self.omega.items()},
            self.moments.to(device),
            {name: one.to(device) for name, one in self.hidden.items()},
            self.trained,
        )


def flat_mlp(model: Theta) -> Tensor:
    """[S] the MLP's scalars, tensor after tensor in the model's order, row-major."""
    return torch.cat([tensor.reshape(-1) for tensor in model.mlp.values()])


def shaped_mlp(scalars: Tensor, shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """The MLP's tensors of these shapes from its scalars [S]; views."""
    ends = accumulate(shape.numel() for shape in shapes.values())
    return {
        name: scalars[end - shape.numel() : end].view(shape)
        for (name, shape), end in zip(shapes.items(), ends, strict=True)
    }


def hidden_of(hidden: Tensor, rows: Tensor) -> Tensor:
    """[len(rows), …] the hidden states of some rows; zeros where a table has gained a row since."""
    known = int(torch.searchsorted(rows, len(hidden)))
    gathered = hidden.new_zeros(len(rows), *hidden.shape[1:])
    gathered[:known] = hidden.index_select(0, rows[:known])
    return gathered


def hidden_block(hidden: Tensor, rows: slice, count: int) -> Tensor:
    """The same of `count` rows that lie one behind the other."""
    block = hidden[rows]
    missing = count - len(block)
    return torch.cat([block, block.new_zeros(missing, *block.shape[1:])]) if missing else block


def grown_hidden(hidden: Mapping[str, Tensor], rows: Mapping[str, int]) -> dict[str, Tensor]:
    """Hidden states with zeros for the rows their tables have gained."""
    return {
        name: hidden_block(one, slice(None), rows[name]) if name in rows else one
        for name, one in hidden.items()
    }


def bank_of(omega: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The weights of one bank out of ω."""
    prefix = f"{name}/"
    return {key.removeprefix(prefix): value for key, value in omega.items() if key.startswith(prefix)}
