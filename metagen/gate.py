"""Which model serves after a period: Θ_t, or the generated Θ*_t."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal


@dataclass(frozen=True)
class Decision:
    """What the gate answers; the reason is for people and goes into the `serve` record."""

    kind: Literal["theta", "star"]
    reason: str


def decide(
    theta: Sequence[float], star: Sequence[float], trained: int, tau: int, window: int, margin: float
) -> Decision:
    """The kind to serve for the coming period.

    theta, star: prequential LogLoss in nats of Θ and of Θ*, oldest period first, both ending with the period
    that just closed; Θ* may have fewer. Compared are the means over the last `window` periods that both have.
    trained: periods the generator has been trained; it serves from `tau` on. A score that is not finite means
    theta.
    """
    if trained < tau:
        return Decision("theta", f"warm-up: trained {trained} of {tau} periods")
    compared = min(window, len(theta), len(star))
    if compared == 0:
        return Decision("theta", "no score of a generated model yet")
    last_theta, last_star = theta[-compared:], star[-compared:]
    if not all(map(math.isfinite, [*last_theta, *last_star])):
        return Decision("theta", f"a score of the last {compared} periods is not finite")
    ahead = fmean(last_theta) - fmean(last_star)
    what = f"LogLoss over {compared} periods: generated {fmean(last_star):.4f}, base {fmean(last_theta):.4f}"
    return Decision("star" if ahead >= margin else "theta", what)
