"""Which model serves after a period: Θ_t, the generated Θ*_t, or the moving average of the Θ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import numpy.typing as npt

from stream.records import Kind, Outlook

#: What reasons call a kind of model.
NAMES: Mapping[Kind, str] = {"theta": "base", "star": "generated", "ema": "average"}


@dataclass(frozen=True)
class Decision:
    """What the gate answers; the reason is for people and goes into the `serve` record."""

    kind: Kind
    reason: str


@dataclass(frozen=True)
class Challenger:
    """A kind of model that takes Θ's place where it is better."""

    kind: Kind
    losses: Sequence[float]  # prequential LogLoss in nats, oldest first, the last of the period that closed
    trained: int  # periods it has been trained
    refused: str | None = None  # why the newest of them may not serve, whatever those before it scored


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
    theta: Sequence[float], challengers: Sequence[Challenger], tau: int, window: int, margin: float
) -> Decision:
    """The kind to serve for the coming period.

    theta: prequential LogLoss in nats of Θ, oldest period first, ending with the period that just closed;
    the challengers may have fewer. One serves from `tau` trained periods on, and where it is `margin` nats
    better than Θ in the mean over the last `window` periods, or as many as there are; of several the best, of
    equals the first. One with fewer scores than another waits. One whose scores are not finite is none, and
    where Θ's are not, Θ serves.
    """
    warm = [one for one in challengers if one.trained >= tau]
    if not warm:
        most = max((one.trained for one in challengers), default=0)
        return Decision("theta", f"warm-up: trained {most} of {tau} periods")
    compared = min(window, len(theta), max(len(one.losses) for one in warm))
    if compared == 0:
        return Decision("theta", "no score of a generated model yet")
    scored = [one for one in warm if len(one.losses) >= compared]
    means = {one.kind: fmean(one.losses[-compared:]) for one in scored}
    base = fmean(theta[-compared:])
    finite = [one for one in scored if math.isfinite(means[one.kind])]
    if not finite or not math.isfinite(base):
        return Decision("theta", f"a score of the last {compared} periods is not finite")
    figures = ", ".join(f"{NAMES[kind]} {mean:.4f}" for kind, mean in [*means.items(), ("theta", base)])
    reason = f"LogLoss over {compared} periods: {figures}"
    for one in sorted(finite, key=lambda one: means[one.kind]):
        if base - means[one.kind] < margin:
            break
        if one.refused is None:
            return Decision(one.kind, reason)
        reason = f"the {NAMES[one.kind]} model is refused: {one.refused}; {reason}"
    return Decision("theta", reason)
