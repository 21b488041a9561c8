"""Adam's moments, and the two ways a step uses them: on whole tensors, or on the rows a batch touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.adam import adam

#: Adam's decay of the first and of the second moment.
BETA1, BETA2 = 0.9, 0.999
#: Added to the root of the second moment.
EPSILON = 1e-8


@dataclass(frozen=True, eq=False)
class Moments:
    """First and second moments under their parameters' names, and the steps taken so far."""

    m: dict[str, Tensor]
    v: dict[str, Tensor]
    step: int

    def to(self, device: torch.device) -> Moments:
        """The same moments on a device."""
        return Moments(
            {name: one.to(device) for name, one in self.m.items()},
            {name: one.to(device) for name, one in self.v.items()},
            self.step,
        )


def zero_moments(parameters: Mapping[str, Tensor]) -> Moments:
    """Those before the first step."""
    zeros = {name: torch.zeros_like(one) for name, one in parameters.items()}
    return Moments(zeros, {name: torch.zeros_like(one) for name, one in parameters.items()}, 0)


def grown_moments(moments: Moments, parameters: Mapping[str, Tensor]) -> Moments:
    """The moments with zeros for the rows that `parameters` have gained."""

    def grow(one: Tensor, like: Tensor) -> Tensor:
        missing = len(like) - len(one)
        return torch.cat([one, one.new_zeros(missing, *one.shape[1:])]) if missing else one

    return Moments(
        {name: grow(one, parameters[name]) for name, one in moments.m.items()},
        {name: grow(one, parameters[name]) for name, one in moments.v.items()},
        moments.step,
    )


class DenseAdam:
    """torch's fused Adam over whole, contiguous tensors, begun from given moments; changes them in place.

    A row that no batch touched moves too as long as its moments are not zero, as with the authors' TF-1
    optimizer; a row whose moments are zero stays bit for bit.
    """

    def __init__(
        self, parameters: Mapping[str, Tensor], moments: Moments, learning_rate: float | Mapping[str, float]
    ) -> None:
        """learning_rate: one for all, or by parameter."""
        if not all(one.is_contiguous() for one in parameters.values()):
            raise ValueError("Adam's fused step takes contiguous parameters only")
        self.parameters = dict(parameters)
        rates = (
            learning_rate if isinstance(learning_rate, Mapping) else dict.fromkeys(parameters, learning_rate)
        )
        self.by_rate: dict[float, list[str]] = {}
        for name in self.parameters:
            self.by_rate.setdefault(rates[name], []).append(name)
        self.m, self.v = (
            {name: of[name].clone(memory_format=torch.contiguous_format) for name in self.parameters}
            for of in (moments.m, moments.v)
        )
        self.counts = {
            name: torch.tensor(float(moments.step), device=one.device)
            for name, one in self.parameters.items()
        }
        self.steps = moments.step

    def step(self, gradients: Mapping[str, Tensor]) -> None:
        """One step with these gradients, one per parameter and of its shape."""
        for rate, names in self.by_rate.items():
            adam(
                [self.parameters[name] for name in names],
                # The fused kernel goes through memory as it lies; autograd may hand out a transposed one.
                [gradients[name].contiguous() for name in names],
                [self.m[name] for name in names],
                [self.v[name] for name in names],
                [],
                [self.counts[name] for name in names],
                fused=True,
                amsgrad=False,
                beta1=BETA1,
                beta2=BETA2,
                lr=rate,
                weight_decay=0.0,
                eps=EPSILON,
                maximize=False,
            )
        self.steps += 1

    def moments(self) -> Moments:
        """The moments now."""
        return Moments(dict(self.m), dict(self.v), self.steps)


def step_rows(
    table: Tensor, m: Tensor, v: Tensor, rows: Tensor, gradient: Tensor, step: int, learning_rate: float
) -> None:
    """Adam's step number `step` (from 1) on some rows of a table and of its moments, in place.

    rows: [r], each once; gradient: [r, e]. Every other row stays bit for bit. TF-1's form, as in torch's
    SparseAdam: w -= lr·sqrt(1 - β2^t) / (1 - β1^t) · m / (sqrt(v) + ε).
    """
    new_m = torch.lerp(gradient, m[rows], BETA1)  # β1·m + (1 - β1)·g
    new_v = torch.lerp(gradient.square(), v[rows], BETA2)
    rate = learning_rate * (1 - BETA2**step) ** 0.5 / (1 - BETA1**step)
    m[rows], v[rows] = new_m, new_v
    table.index_add_(0, rows, new_m / (new_v.sqrt() + EPSILON), alpha=-rate)
