"""A reservoir: a uniform sample of all examples seen, and what is drawn from it to be learnt again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.batches import Examples
from trainer.catalogue import Ints
from trainer.leaving import Stay

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reservoir:
    """What is kept of `seen` examples, each of them with the same probability."""

    kept: Examples  # [min(capacity, seen)] slot after slot
    capacity: int
    seen: int

    @classmethod
    def empty(cls, of: Examples, share: float) -> Reservoir:
        """Nothing yet, with a capacity of this share of some examples, and of one at least."""
        return cls(of.part(0, 0), max(1, int(share * len(of))), 0)

    def without(self, stay: Stay) -> Reservoir:
        """The reservoir over the rows that stay; with a free slot it counts as having seen what it keeps."""
        kept = stay.examples(self.kept)
        full = len(kept) == len(self.kept)
        return Reservoir(kept, self.capacity, self.seen if full else len(kept))

    def taken_in(self, new: Examples, random: np.random.Generator) -> Reservoir:
        """The reservoir after these too, in their order (Vitter 1985, algorithm R).

        Example i of all takes slot i while there are free ones; after that it takes a slot with probability
        capacity / i, each as likely as the others.
        """
        before = np.arange(self.seen, self.seen + len(new))  # how many were seen before each
        slot = np.where(before < self.capacity, before, random.integers(0, before + 1))
        came = np.flatnonzero(slot < self.capacity)
        rows = np.arange(min(self.capacity, self.seen + len(new)))
        rows[slot[came]] = len(self.kept) + came  # of those that take the same slot the last one stays
        kept = Examples.concat([self.kept, new]).take(rows)
        return Reservoir(kept, self.capacity, self.seen + len(new))


def rank_weights(scores: npt.NDArray[np.floating]) -> Floats:
    """[n] exp(rank / n), with ranks 0, 1, … from the highest score to the lowest: low ones weigh most."""
    rank = np.empty(len(scores), np.int64)
    rank[np.argsort(-scores, kind="stable")] = np.arange(len(scores))
    return np.exp(rank / max(1, len(scores)))


def drawn(weights: Floats, number: int, random: np.random.Generator) -> Ints:
    """At most `number` of n rows, ascending; each is drawn from those left, in proportion to its weight."""
    if number >= len(weights):
        return np.arange(len(weights))
    return np.sort(random.choice(len(weights), number, replace=False, p=weights / weights.sum()))
