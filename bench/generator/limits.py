"""What the machine can do: products of matrices, σ, and copying memory, each at its fastest here and now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass

import torch
from torch import Tensor

from bench.generator.clock import Clock

#: Side of the square matrices whose product is the arithmetic limit.
SIDE = 1024

#: Bytes of the copy that is the limit of memory: far more than any cache holds.
COPIED = 2**28

#: Numbers that σ is taken of: they stay within the cache, as a batch's do.
SIGMAS = 2**15

#: How often what takes microseconds is done between two looks at the clock.
SHORT = 50


@dataclass(frozen=True)
class Limits:
    """What the machine does at its fastest."""

    multiply_adds: float  # per second, of large matrices
    sigmoids: float  # numbers per second
    copied: float  # bytes per second, read and written together

    def faster(self, other: Limits) -> Limits:
        """The faster of both, limit by limit: one of them may have been found at a slow moment."""
        return Limits(*map(max, astuple(self), astuple(other)))


def find_limits(clock: Clock) -> Limits:
    """Here and now."""
    return Limits(matmul_rate(clock), sigmoid_rate(clock), copy_rate(clock))


def matmul_rate(clock: Clock) -> float:
    """Multiply-adds per second of a large product in float32."""
    a, b = _random(clock, SIDE, SIDE), _random(clock, SIDE, SIDE)
    out = torch.empty_like(a)
    return SIDE**3 / clock.fastest(lambda: torch.mm(a, b, out=out), 1.0)


def copy_rate(clock: Clock) -> float:
    """Bytes per second, read and written together, of a large copy."""
    source = _random(clock, COPIED // 4)
    to = torch.zeros_like(source)
    return 2 * COPIED / clock.fastest(lambda: to.copy_(source), 1.0)


def sigmoid_rate(clock: Clock) -> float:
    """Numbers per second that σ is taken of, in place."""
    x = _random(clock, SIGMAS)
    return SIGMAS / clock.fastest(lambda: x.sigmoid_(), 0.5, SHORT)


def coordinate_rate(clock: Clock, width: int, d: int, rows: int) -> float:
    """Multiply-adds per second at the shapes of the paper's cells: of W h, and of its gradient by W."""
    w, h = _random(clock, width, 3 * d, d), _random(clock, width, d, rows)
    gates = _random(clock, width, 3 * d, rows)
    work = [lambda: torch.bmm(w, h), lambda: torch.bmm(gates, h.mT)]
    return _together(clock, work, 2 * width * 3 * d * d * rows)


def row_rate(clock: Clock, inputs: int, d: int, rows: int) -> float:
    """The same at the shapes of ASMG+'s cells: of U v and W h, and of the gradients by U and W."""
    u, w = _random(clock, 3 * d, inputs), _random(clock, 3 * d, d)
    v, h, gates = _random(clock, rows, inputs), _random(clock, rows, d), _random(clock, rows, 3 * d)
    work: list[Callable[[], Tensor]] = [
        lambda: v @ u.T,
        lambda: h @ w.T,
        lambda: gates.T @ v,
        lambda: gates.T @ h,
    ]
    return _together(clock, work, 2 * 3 * d * (inputs + d) * rows)


def _together(clock: Clock, work: Sequence[Callable[[], Tensor]], multiply_adds: int) -> float:
    return multiply_adds / sum(clock.fastest(one, 0.1, SHORT) for one in work)


def _random(clock: Clock, *shape: int) -> Tensor:
    return torch.rand(shape, device=clock.device)
