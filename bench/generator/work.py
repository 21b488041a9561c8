"""A generator's work made up: snapshots of any size, and period sets whose batches do not depend on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from metagen.generator import Model
from stream.samples import HISTORY
from trainer.activity import Activity
from trainer.batches import Examples
from trainer.catalogue import Catalogue, Ints
from trainer.model import Theta, initial_mlp
from trainer.settings import TrainerSettings
from trainer.vocabulary import Vocabulary

#: Exponent of the items' popularity.
SKEW = 1.0

#: Standard deviation of the made-up parameters and hidden states.
SPREAD = 0.1

#: Tables of the snapshots.
TABLES = ("user", "item")


@dataclass(frozen=True)
class Shape:
    """What a period set looks like, whatever the size of the tables."""

    ids: int = 10_000  # users, and items, that occur
    positives: int = 32_000  # of a period, each followed later by one drawn negative
    history: float = 3.3  # items in one, on average before it is cut at HISTORY


@dataclass(frozen=True, eq=False)
class Work:
    """What a generator is given, with tables of `rows` rows each."""

    rows: int
    models: list[Model]  # oldest first
    data: list[Examples]  # oldest first
    catalogue: Catalogue


def make_work(
    rows: int,
    models: int,
    periods: int,
    shape: Shape = Shape(),
    *,
    active: bool,
    device: torch.device,
    seed: int = 0,
) -> Work:
    """Snapshots of periods 1..models and the sets of the `periods` that end with the one after.

    active: whether the snapshots say how active each row was, as ASMG+ reads. Raises: ValueError: fewer rows
    than ids.
    """
    if rows < shape.ids:
        raise ValueError(f"{shape.ids:,} ids need as many rows, not {rows:,}")
    settings = TrainerSettings(strategy="iu", categories="no", embedding=8, products=False)
    mlp = {name: one.to(device) for name, one in initial_mlp(settings, seed, False).items()}
    random = torch.Generator(device).manual_seed(seed)
    snapshots = [
        Model(
            Theta(
                {name: _normal((rows, settings.embedding), random, device) for name in TABLES},
                {name: one + _normal(tuple(one.shape), random, device) for name, one in mlp.items()},
            ),
            {name: _activity(rows, period, seed) for name in TABLES} if active else {},
            period,
        )
        for period in range(1, models + 1)
    ]
    newest = models + 1
    data = [make_period(rows, period, shape, seed) for period in range(newest - periods + 1, newest + 1)]
    return Work(rows, snapshots, data, sized_catalogue(rows))


def make_period(rows: int, period: int, shape: Shape, seed: int) -> Examples:
    """D of a period: positives, then as many negatives of the same users with their histories.

    Items are popular by a power law, those of negatives alike, users alike. The ids that occur lie all over
    the table, in the same order whatever its size, so that batches differ in nothing but where rows lie.
    """
    random = np.random.default_rng([seed, period])
    weight = np.arange(1, shape.ids + 1, dtype=np.float64) ** -SKEW
    popular = np.random.default_rng(seed).permutation(shape.ids)  # popular items are no neighbours
    n = shape.positives
    user = random.integers(0, shape.ids, n)
    length = np.minimum(random.geometric(1 / (1 + shape.history), n) - 1, HISTORY)
    taken = popular[random.choice(shape.ids, n + int(length.sum()), p=weight / weight.sum())]
    drawn = random.integers(0, shape.ids, n)
    stride = rows // shape.ids
    return Examples(
        period=period,
        samples=n,
        user=np.tile(user * stride, 2),
        item=np.concatenate([taken[:n], drawn]) * stride,
        history_offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(np.tile(length, 2))]),
        history=np.tile(taken[n:] * stride, 2),
        label=np.repeat(np.array([1, 0], np.float32), n),
    )


def sized_catalogue(rows: int) -> Catalogue:
    """A catalogue that says how many rows there are, and remembers no id: 10^7 would take gigabytes.

    A hashed vocabulary has a size without ids; an item's number is its row, as in a table that grows.
    """
    catalogue = Catalogue(TrainerSettings(strategy="iu", user_rows=f"hash:{rows}"), False)
    catalogue.items = catalogue.item_table = Vocabulary("item", rows)
    catalogue.item_row = np.arange(rows)
    return catalogue


def filled(hidden: dict[str, torch.Tensor], seed: int = 0) -> None:
    """Hidden states as if carried for long, in place: none zero, and all of their memory in use."""
    for one in hidden.values():
        one.normal_(std=SPREAD, generator=torch.Generator(one.device).manual_seed(seed))


def table_bytes(models: Sequence[Model]) -> int:
    """What the tables of the snapshots take, in bytes; activity is not counted."""
    return sum(one.nbytes for model in models for one in model.theta.tables.values())


def _normal(shape: tuple[int, ...], random: torch.Generator, device: torch.device) -> torch.Tensor:
    return torch.empty(shape, device=device).normal_(std=SPREAD, generator=random)


def _activity(rows: int, period: int, seed: int) -> Activity:
    random = np.random.default_rng([seed, period, rows])

    def counts(low: int, high: int) -> Ints:
        return random.integers(low, high, rows)

    return Activity(counts(0, 3), counts(0, 6), counts(0, 100), counts(0, period + 1))
