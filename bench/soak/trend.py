"""Whether a series of sizes rises: its slope, with an error that knows neighbours are alike. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: Parts a series is averaged over before a line is laid through it: a sawtooth that is shorter than one part
#: would else count as many independent values.
PARTS = 12


@dataclass(frozen=True)
class Trend:
    """Of a series after its warm-up."""

    start: float  # MB, mean of the first part
    middle: float
    end: float
    slope: float  # MB/h
    error: float  # MB/h, standard error of the slope

    @property
    def flat(self) -> bool:
        """Whether the slope is within two standard errors of none, or below 1 % of the size an hour."""
        return abs(self.slope) <= max(2 * self.error, 0.01 * self.middle)


def trend(hours: Sequence[float], sizes: Sequence[float], warm_up: float) -> Trend:
    """Of sizes (MB) at these times (h, ascending) from `warm_up` (h) on.

    Raises: ValueError: too few values are left to lay a line through.
    """
    at, size = np.asarray(hours, np.float64), np.asarray(sizes, np.float64)
    at, size = at[at >= warm_up], size[at >= warm_up]
    parts = min(PARTS, len(at))
    if parts < 3:
        raise ValueError(f"{len(at)} samples after the warm-up are too few: run longer")
    x = np.array([part.mean() for part in np.array_split(at, parts)])
    y = np.array([part.mean() for part in np.array_split(size, parts)])
    spread = float(((x - x.mean()) ** 2).sum())
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / spread
    rest = y - y.mean() - slope * (x - x.mean())
    error = float(np.sqrt((rest**2).sum() / (parts - 2) / spread))
    return Trend(float(y[0]), float(y[parts // 2]), float(y[-1]), slope, error)
