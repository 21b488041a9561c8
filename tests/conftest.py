"""What the tests of several packages share: the authors' numbers, and small D_t made by hand or at random."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from clock import Clock
from hypothesis import settings
from redis_server import RedisServer

from stream.samples import Samples

# How long an example takes says how busy the machine is. Hypothesis' own profile of CI does not look at it.
settings.register_profile("busy", deadline=None)
if not os.environ.get("CI"):
    settings.load_profile("busy")

#: One sample: user, item, and what else differs from a click without history, impression or categories.
Row = tuple[str, str, Mapping[str, Any]]


@pytest.fixture(autouse=True, scope="session")
def _one_torch_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _smallest_floats() -> Iterator[None]:
    """Whoever chooses a device has the smallest floats be zero, and then Hypothesis draws none."""
    yield
    torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of material that may not be copied into the project; skips where it is not, fails in CI."""
    folder = Path(os.environ.get("ASMG_SHARED", Path(__file__).parents[2] / "shared"))
    if not folder.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"no shared folder at {folder}; set ASMG_SHARED")
        pytest.skip(f"no shared folder at {folder}")
    return folder


@pytest.fixture(scope="session")
def parity(shared: Path) -> Mapping[str, np.ndarray]:
    """One training step of the authors' code, number by number."""
    with np.load(shared / "parity" / "asmg_gru_multi_ml100k.npz") as numbers:
        return {name: numbers[name] for name in numbers.files}


@pytest.fixture
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """An empty Redis; skips where none can be started, fails in CI."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    try:
        server.start()
    except (ImportError, OSError) as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no redis-server: {error}")
        pytest.skip(f"no redis-server: {error}")
    yield server
    server.stop()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def samples_of() -> Callable[[Sequence[Row]], Samples]:
    return _samples_of


@pytest.fixture(scope="session")
def random_period() -> Callable[..., Samples]:
    return _random_period


def _samples_of(rows: Sequence[Row]) -> Samples:
    """Samples in the order given: keys label (1), impression (""), categories (), history ()."""
    users, items, categories = ({} for _ in range(3))

    def code(known: dict[str, int], one: str) -> int:
        return known.setdefault(one, len(known))

    def lists(key: str, known: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
        each = [[code(known, one) for one in extra.get(key, ())] for _, _, extra in rows]
        lengths = [len(one) for one in each]
        return np.cumsum([0, *lengths]), np.array([one for row in each for one in row], np.int32)

    user = np.array([code(users, user) for user, _, _ in rows], np.int32)
    item = np.array([code(items, item) for _, item, _ in rows], np.int32)
    category_offsets, category = lists("categories", categories)
    history_offsets, history = lists("history", items)
    return Samples(
        number=np.arange(len(rows)),
        decided_at=np.arange(len(rows)),
        user=user,
        item=item,
        impression_id=pa.array([extra.get("impression", "") for _, _, extra in rows], pa.string()),
        category_offsets=category_offsets,
        category=category,
        history_offsets=history_offsets,
        history=history,
        label=np.array([extra.get("label", 1) for _, _, extra in rows], np.int8),
        row_hash=np.arange(len(rows)).astype(np.uint64),
        users=pa.array(list(users), pa.string()),
        items=pa.array(list(items), pa.string()),
        categories=pa.array(list(categories), pa.string()),
    )


def _random_period(
    seed: int,
    rows: int = 60,
    users: int = 12,
    items: int = 25,
    categories: int = 0,
    impressions: bool = False,
) -> Samples:
    """A period of random clicks (or labelled impressions) with random histories."""
    random = np.random.default_rng(seed)

    def names(kind: str, count: int, size: int) -> list[str]:
        return [f"{kind}{one}" for one in random.integers(0, count, size)]

    return _samples_of(
        [
            (
                names("u", users, 1)[0],
                names("i", items, 1)[0],
                {
                    "label": int(random.integers(0, 2)) if impressions else 1,
                    "impression": f"p{seed}-{row}" if impressions else "",
                    "history": names("i", items, int(random.integers(0, 6))),
                    "categories": sorted(set(names("c", categories, 2))) if categories else (),
                },
            )
            for row in range(rows)
        ]
    )
