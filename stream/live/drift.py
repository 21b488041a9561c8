"""How the popularity of items differs between a period and the one before, from their samples alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.special import rel_entr

from stream.samples import Samples


@dataclass(frozen=True, eq=False)
class Popularity:
    """The items of a period's samples, each once, and what of its positives was theirs."""

    items: pa.StringArray  # [n]
    positives: npt.NDArray[np.int64]  # [n] samples with label 1


@dataclass(frozen=True)
class Drift:
    """A period beside the one before it; NaN where either has no positives."""

    #: Jensen-Shannon distance of the items' shares of positives, to base 2: 0 the same, 1 nothing in common
    distance: float
    #: share of the period's positives that are on items without any sample in the period before
    new_items: float


def popularity(samples: Samples) -> Popularity:
    """Counts the positives of each item."""
    mine = samples.compact()
    shown = np.zeros(len(mine.items), np.bool_)  # `items` holds those of histories too
    shown[mine.item] = True
    positives = np.bincount(mine.item[mine.label == 1], minlength=len(mine.items))
    kept = np.flatnonzero(shown)
    return Popularity(mine.items.take(pa.array(kept)), positives[kept])


def drift(before: Popularity, period: Popularity) -> Drift:
    """The difference between two periods."""
    if not before.positives.any() or not period.positives.any():
        return Drift(math.nan, math.nan)
    joint = pa.concat_arrays([before.items, period.items]).dictionary_encode()
    code = joint.indices.to_numpy()  # each item is once in either half
    counts = np.zeros((2, len(joint.dictionary)), np.int64)
    counts[0, code[: len(before.items)]] = before.positives
    counts[1, code[len(before.items) :]] = period.positives
    new = code[len(before.items) :] >= len(before.items)  # codes go by first appearance
    return Drift(
        distance=distance(counts), new_items=float(period.positives[new].sum() / period.positives.sum())
    )


def distance(counts: npt.NDArray[np.int64]) -> float:
    """Jensen-Shannon distance, to base 2, of the shares in two rows of counts [2, n], none empty."""
    shares = counts / counts.sum(axis=1, keepdims=True)
    divergence = rel_entr(shares, shares.mean(axis=0)).sum() / 2 / math.log(2)
    return math.sqrt(min(max(divergence, 0.0), 1.0))  # rounding may leave either end
