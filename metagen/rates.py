"""Adam's learning rates on a generator, which follow how many steps a period has."""

from __future__ import annotations

import math

#: The paper's (4.1.4), for periods of many steps.
LEARNING_RATE = 1e-2

#: Steps a period where rates were measured: of movielens-latest-small and DIGINETICA (docs/experiments.md).
FEW, MANY = 12, 250


def rate(examples: int, batch: int, few: float = 1e-3, many: float = LEARNING_RATE) -> float:
    """The rate for a period of that many examples, from that for `FEW` steps and that for `MANY`.

    Few steps ask for small ones. The logarithm of the rate follows that of the steps, within the bounds.
    """
    steps = max(1, -(-examples // batch))
    share = min(1.0, max(0.0, math.log(steps / FEW) / math.log(MANY / FEW)))
    return math.exp((1 - share) * math.log(few) + share * math.log(many))
