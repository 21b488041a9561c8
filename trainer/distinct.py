"""Rows and items of batches, numbered anew among those that each batch has."""

from __future__ import annotations

import numpy as np

from stream.renumber import renumber
from trainer.catalogue import Ints


class Distinct:
    """Numbers the values of batches anew from 0; memory for that is taken once."""

    def __init__(self, *whole: Ints) -> None:
        """whole: all the values that batches are cut from, none below 0."""
        size = max((int(part.max()) + 1 for part in whole if len(part)), default=0)
        self._place = np.zeros(size, np.int32)  # what is never written of it costs nothing

    def __call__(self, values: Ints) -> tuple[Ints, Ints]:
        """The values that occur, ascending, and for each value its place among them; as of `np.unique`."""
        found: tuple[Ints, Ints] = renumber(values, self._place)
        return found
