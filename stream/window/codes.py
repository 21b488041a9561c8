"""Ids as small numbers, so that what happens per event happens to integers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from xxhash import xxh3_64_intdigest


class Codes(dict[str, int]):
    """Id -> code; an id gets the next code when it is first looked up. Codes mean nothing outside."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self._hashes = np.zeros(0, np.uint64)
        self._texts = pa.array([], pa.string())  # of the first codes, as a column

    def __missing__(self, name: str | int) -> int:
        if name.__class__ is not str:  # an integer is its digits, and is never a key itself
            return self[str(name)]
        code = self[name] = len(self.names)
        self.names.append(name)
        return code

    def of(self, names: Iterable[str | int]) -> npt.NDArray[np.int32]:
        """The code of each id."""
        return np.array(list(map(self.__getitem__, names)), np.int32)  # type: ignore[arg-type]

    def hashes(self) -> npt.NDArray[np.uint64]:
        """By code: a stable 64-bit hash of the id."""
        if len(self._hashes) < len(self.names):
            new = hashes_of(self.names[len(self._hashes) :])
            self._hashes = np.concatenate([self._hashes, new])
        return self._hashes

    def texts(self, codes: npt.NDArray[np.integer]) -> pa.StringArray:
        """The ids that codes stand for."""
        new = len(self.names) - len(self._texts)
        if 32 * new > len(self._texts):  # not for each new id: all of the column is copied
            self._texts = pa.concat_arrays(
                [self._texts, pa.array(self.names[len(self._texts) :], pa.string())]
            )
        beyond = codes >= len(self._texts)
        if not beyond.any():
            return self._texts.take(pa.array(codes))
        known, others = np.flatnonzero(~beyond), np.flatnonzero(beyond)
        both = [self._texts.take(pa.array(codes[known])), named(self.names, codes[others])]
        place = np.empty(len(codes), np.int64)
        place[np.concatenate([known, others])] = np.arange(len(codes))
        return pa.concat_arrays(both).take(pa.array(place))


class Lists(dict[tuple[str | int, ...], int]):
    """A tuple of category ids -> code; what a code stands for is kept as codes of the single ids."""

    def __init__(self) -> None:
        super().__init__()
        self.members = Codes()
        self.offsets: list[int] = [0]
        self.flat: list[int] = []
        self._arrays = (np.zeros(1, np.int64), np.zeros(0, np.int32))

    def __missing__(self, ids: tuple[str | int, ...]) -> int:
        code = self[ids] = len(self.offsets) - 1
        self.flat += self.members.of(ids).tolist()
        self.offsets.append(len(self.flat))
        return code

    def of(self, lists: Iterable[tuple[str | int, ...]]) -> npt.NDArray[np.int32]:
        """The code of each tuple of ids."""
        return np.array(list(map(self.__getitem__, lists)), np.int32)

    def arrays(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Offsets [lists + 1] into the members' codes, and these."""
        if len(self._arrays[0]) < len(self.offsets):
            self._arrays = (np.array(self.offsets, np.int64), np.array(self.flat, np.int32))
        return self._arrays

    def ids(self, code: int) -> list[str]:
        """The category ids that a code stands for."""
        members = self.flat[self.offsets[code] : self.offsets[code + 1]]
        return [self.members.names[member] for member in members]


def hashes_of(names: Iterable[str]) -> npt.NDArray[np.uint64]:
    """A stable 64-bit hash of each text: XXH3 over its UTF-8."""
    return np.fromiter(map(xxh3_64_intdigest, map(str.encode, names)), np.uint64)


def named(names: list[str], codes: npt.NDArray[np.integer]) -> pa.StringArray:
    """The names that codes stand for."""
    if 2 * len(codes) > len(names):  # an object for each name takes longer than all names as a column
        return pa.array(names, pa.string()).take(pa.array(codes))
    return pa.array([names[code] for code in codes.tolist()], pa.string())
