"""Which values occur in a batch, and where: a sort of the few that do, in place of one of all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from trainer.catalogue import Ints

Array = Any  # a numpy array; numba knows its type


class Distinct:
    """Numbers the values of batches anew from 0; memory for that is taken once."""

    def __init__(self, *whole: Ints) -> None:
        """whole: all the values that batches are cut from, none below 0."""
        size = max((int(part.max()) + 1 for part in whole if len(part)), default=0)
        # Memory that is never written costs nothing, and a period writes what its own rows need of it.
        self._met, self._place = np.zeros(size, np.int32), np.empty(size, np.int32)
        self._batch = 0

    def __call__(self, values: Ints) -> tuple[Ints, Ints]:
        """The values that occur, ascending, and for each value its place among them; as of `np.unique`."""
        self._batch += 1
        found: tuple[Ints, Ints] = _distinct(values, self._met, self._place, self._batch)
        return found


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _distinct(values: Array, met: Array, place: Array, batch: int) -> tuple[Array, Array]:
    """met: the batch in which each value was met last; place: where it was then."""
    found, count = np.empty(len(values), np.int64), 0
    for value in values:
        if met[value] != batch:
            met[value] = batch
            found[count] = value
            count += 1
    found = np.sort(found[:count])
    for i in range(count):
        place[found[i]] = i
    places = np.empty(len(values), np.int64)
    for i in range(len(values)):
        places[i] = place[values[i]]
    return found, places
