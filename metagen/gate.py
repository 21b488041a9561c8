"""Which model serves after a period: Θ_t, or the generated Θ*_t."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

import numpy as np
import numpy.typing as npt

from stream.records import Outlook


@dataclass(frozen=True)
class Decision:
    """What the gate answers; the reason is for people and goes into the `serve` record."""

    kind: Literal["theta", "star"]
    reason: str


def outlook(before: npt.NDArray[np.float32] | None, now: npt.NDArray[np.float32]) -> Outlook:
    """How a generated model scores the period it was just made after, beside the one before it.

    before, now: logits [n] that Θ*_{t-1} and Θ*_t give the same examples; None: there is no Θ*_{t-1}.
    """
    if not np.isfinite(now).all():
        return Outlook(finite=False)
    if before is None or not len(now) or not np.isfinite(before).all():
        return Outlook(finite=True)
    at = np.concatenate([before, now])
    below = [np.searchsorted(np.sort(one), at, side="right") / len(one) for one in (before, now)]
    return Outlook(finite=True, jump=round(float(np.abs(below[0] - below[1]).max()), 6))


def refusal(seen: Outlook | None, bound: float) -> str | None:
    """Why a generated model may not serve, whatever those before it scored; None where it may."""
    if seen is None:
        return None
    if not seen.finite:
        return "it gives scores that are not finite"
    if seen.jump is not None and seen.jump > bound:
        return f"its scores are {seen.jump:.2f} from those of the one before, more than {bound:.2f}"
    return None


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
