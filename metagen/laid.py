"""ω's tensors one behind the other, those of one learning rate in one vector.

A step of Adam then takes as long as its arithmetic, however many small tensors there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Laid:
    """Which tensors lie in which vector, and how."""

    rates: Mapping[str, float]  # of each vector, by its name
    members: Mapping[str, Sequence[str]]  # the tensors in it, in their order
    shapes: Mapping[str, torch.Size]  # of each tensor

    @classmethod
    def of(cls, omega: Mapping[str, Tensor], learning_rate: float | Mapping[str, float]) -> Laid:
        """learning_rate: one for all, or by tensor."""
        members: dict[str, list[str]] = {}
        rates: dict[str, float] = {}
        for name in omega:
            rate = learning_rate[name] if isinstance(learning_rate, Mapping) else learning_rate
            rates[str(rate)] = rate
            members.setdefault(str(rate), []).append(name)
        return cls(rates, members, {name: one.shape for name, one in omega.items()})

    def joined(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """New vectors that hold these tensors."""
        return {
            vector: torch.cat([tensors[name].reshape(-1) for name in names])
            for vector, names in self.members.items()
        }

    def parted(self, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors as views of the vectors."""
        found: dict[str, Tensor] = {}
        for vector, names in self.members.items():
            parts = torch.split(vectors[vector], [self.shapes[name].numel() for name in names])
            found |= {name: part.view(self.shapes[name]) for name, part in zip(names, parts, strict=True)}
        return {name: found[name] for name in self.shapes}
