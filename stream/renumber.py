"""Values numbered anew from 0: what `np.unique` gives with its inverse, without sorting all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

Array = Any  # a numpy array; numba knows its type


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def renumber(values: Array, place: Array) -> tuple[Array, Array]:
    """The values that occur, ascending, and for each value [n] its place among them.

    place: zeros, one for each value that there may be from 0 on, and zeros again afterwards.
    """
    used = np.empty(min(len(place), len(values)), values.dtype)
    count = 0
    for value in values:
        if place[value] == 0:
            place[value] = 1
            used[count] = value
            count += 1
    kept = np.sort(used[:count])
    for i in range(count):
        place[kept[i]] = i + 1
    renumbered = np.empty(len(values), values.dtype)
    for i in range(len(values)):
        renumbered[i] = place[values[i]] - 1
    for value in kept:
        place[value] = 0
    return kept, renumbered
