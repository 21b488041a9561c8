"""Parts as the tests of stores keep them, and how one is damaged where it lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from stream.store import Store


@dataclass
class Kept:
    """A store, and access to what it keeps behind its back."""

    store: Store
    read: Callable[[str], bytes]  # what lies under the name of a part
    write: Callable[[str, bytes], None]


def part(rows: int, seed: int = 0) -> pa.Table:
    """A table like a snapshot's: ids, fixed-size vectors, counts; about 50 bytes a row."""
    random = np.random.default_rng(seed)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(random.random(rows * 8, np.float32)), 8)
    return pa.table(
        {"id": pa.array([f"i{row}" for row in range(rows)]), "vector": vectors, "seen": np.arange(rows)}
    )
