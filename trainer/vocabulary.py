"""From ids to table rows, and the vector an id starts from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from stream.forgotten import NOBODY
from trainer.settings import TrainerSettings

#: A look-up's answer for an id that has no row yet.
UNKNOWN = -1

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # splitmix64: the step of its counter
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))  # splitmix64: its two multipliers


class Vocabulary:
    """The ids of one column and their rows.

    Growing: an id's row is its number in order of admission among those that have not left. Hashed: an id's
    row is a stable 64-bit hash modulo `buckets`; nothing is remembered and every id is known. A user who was
    forgotten (NOBODY) is none.
    """

    def __init__(self, column: str, buckets: int | None = None, ids: Iterable[str] = ()) -> None:
        self.column = column
        self.buckets = buckets
        self.ids: list[str] = []
        self._rows: dict[str, int] = {}
        self.admit(ids)

    def __len__(self) -> int:
        """Rows that the column's table has."""
        return len(self.ids) if self.buckets is None else self.buckets

    def look_up(self, ids: Sequence[str]) -> npt.NDArray[np.int64]:
        """Rows of `ids`, UNKNOWN where an id has none yet."""
        if self.buckets is not None:
            hashes = id_hashes(self.column, ids)
            rows = (hashes % np.uint64(self.buckets)).astype(np.int64)
            if self.column == "user" and NOBODY in ids:
                rows[[place for place, one in enumerate(ids) if one == NOBODY]] = UNKNOWN
            return rows
        get = self._rows.get
        return np.fromiter((get(one, UNKNOWN) for one in ids), np.int64, len(ids))

    def admit(self, ids: Iterable[str]) -> None:
        """Append those that have no row yet, in the order given."""
        if self.buckets is None:
            new = [one for one in dict.fromkeys(ids) if one not in self._rows]
            if self.column == "user":
                new = [one for one in new if one != NOBODY]
            self._rows.update(zip(new, range(len(self.ids), len(self.ids) + len(new)), strict=True))
            self.ids += new

    def keep(self, rows: npt.NDArray[np.int64]) -> None:
        """Only these rows of a growing table, ascending, stay, and move up."""
        self.ids = list(map(self.ids.__getitem__, rows.tolist()))
        self._rows = dict(zip(self.ids, range(len(self.ids)), strict=True))

    def row_names(self, start: int = 0) -> list[str]:
        """What names the rows from `start` on: their ids, or a hashed table's row numbers."""
        return self.ids[start:] if self.buckets is None else [str(row) for row in range(start, self.buckets)]


def id_hashes(column: str, ids: Sequence[str]) -> npt.NDArray[np.uint64]:
    """A stable 64-bit hash of each id (keyed blake2b over UTF-8), different from column to column."""
    key = f"asmg:{column}".encode()
    digests = b"".join(blake2b(one.encode(), digest_size=8, key=key).digest() for one in ids)
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def initial_vectors(
    seed: int, table: str, names: Sequence[str], width: int, fan: int, scale: float = 1.0
) -> npt.NDArray[np.float32]:
    """[len(names), width] the vectors that rows start from, a function of (seed, table, name) alone.

    Glorot-uniform, ±scale·sqrt(6 / (fan + width)), where `fan` is the rows of a hashed table, or the rows
    that a growing one counts as. `names` are ids, or the row numbers of a hashed table as decimals. Training,
    scoring and serving give an id that was never seen this vector.
    """
    limit = scale * np.sqrt(6.0 / (fan + width))
    return uniform(seed, id_hashes(f"initial:{table}", names), width, limit)


def initial_rows(
    settings: TrainerSettings,
    seed: int,
    table: str,
    names: Sequence[str],
    buckets: int | None = None,
    width: int | None = None,
) -> npt.NDArray[np.float32]:
    """[len(names), width] the vectors that rows of a table start from, and ids without a row are scored from.

    buckets: rows of a hashed table, None where it grows. width: None for that of the settings.
    """
    fan = settings.init_rows if buckets is None else buckets
    return initial_vectors(seed, table, names, width or settings.embedding, fan, settings.init_scale)


def uniform(seed: int, keys: npt.NDArray[np.uint64], width: int, limit: float) -> npt.NDArray[np.float32]:
    """[len(keys), width] uniform in [-limit, limit): element j of a row is a hash of (seed, key, j)."""
    stream = splitmix64(keys ^ splitmix64(np.array([seed], np.int64).astype(np.uint64)))
    counter = np.arange(1, width + 1, dtype=np.uint64) * _GOLDEN
    bits = splitmix64(stream[:, None] + counter) >> np.uint64(40)  # 24 bits: what a float32 holds exactly
    return ((bits.astype(np.float64) / 2**23 - 1.0) * limit).astype(np.float32)


def splitmix64(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """splitmix64's mixing of its counter, element by element (Steele, Lea and Flood, 2014)."""
    mixed = values + _GOLDEN
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX[0]
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX[1]
    mixed = mixed ^ (mixed >> np.uint64(31))
    return np.asarray(mixed, np.uint64)
