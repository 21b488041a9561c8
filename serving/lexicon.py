"""Ids and their rows, kept once for all versions of a model: from one to the next, ids are only appended."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stream.niceness import rest
from trainer.vocabulary import UNKNOWN

#: Ids admitted between two rests, and ids compared.
_PIECE, _COMPARED = 512, 16_384


class _Rows(dict[str, int]):
    """An id that is not there is UNKNOWN, without being put there."""

    def __missing__(self, key: str) -> int:
        return UNKNOWN


class Ids:
    """The ids of one column as one version has them; number i is the i-th admitted."""

    def __init__(self, rows: _Rows, names: pa.StringArray) -> None:
        self.names = names
        self._rows = rows  # perhaps more than this version's: later ones go on in it

    def __len__(self) -> int:
        return len(self.names)

    def look_up(self, ids: Sequence[str]) -> npt.NDArray[np.int64]:
        """Numbers of `ids`, UNKNOWN where this version has none."""
        rows = np.array(list(map(self._rows.__getitem__, ids)), np.int64)
        rows[rows >= len(self.names)] = UNKNOWN
        return rows

    def name(self, row: int) -> str:
        """The id of a row."""
        return str(self.names[row].as_py())


class Lexicon:
    """One column over all versions that this process has opened."""

    def __init__(self) -> None:
        self._rows, self._names = _Rows(), pa.array([], pa.string())

    def version(self, names: pa.StringArray) -> Ids:
        """The ids of a version that has exactly these, in this order.

        Where they go on from those known, only what is new is admitted; where they do not (another history of
        the model), all are, and earlier versions keep what they had.
        """
        shared = min(len(names), len(self._names))
        if not _begin_alike(names, self._names, shared):
            self._rows, self._names, shared = _Rows(), names.slice(0, 0), 0
        if len(names) >= len(self._names):
            for begin in range(shared, len(names), _PIECE):
                piece = names.slice(begin, _PIECE).to_pylist()
                self._rows.update(zip(piece, range(begin, begin + len(piece)), strict=True))
                rest()
            self._names = names  # of the newest: it keeps no older version's memory
        return Ids(self._rows, names)


def _begin_alike(names: pa.StringArray, known: pa.StringArray, count: int) -> bool:
    """Whether the first `count` of both are equal."""
    for begin in range(0, count, _COMPARED):
        piece = min(_COMPARED, count - begin)
        if not names.slice(begin, piece).equals(known.slice(begin, piece)):
            return False
        rest()
    return True
