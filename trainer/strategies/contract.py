"""What a strategy is given to learn from, and what it must be able to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from trainer.adam import Moments
from trainer.batches import Examples
from trainer.catalogue import Catalogue
from trainer.leaving import Stay
from trainer.model import Theta
from trainer.settings import TrainerSettings


@dataclass(frozen=True, eq=False)
class Lesson:
    """Period t as a strategy meets it."""

    theta: Theta  # Θ_{t-1}, grown to the catalogue's rows
    moments: Moments  # its moments, grown alike
    examples: Examples  # D_t, drawn negatives included
    past: Sequence[Examples]  # at most `reach` - 1 periods before, …, D_{t-1}
    catalogue: Catalogue
    settings: TrainerSettings
    seed: int


class Strategy(Protocol):
    """A way to update. What it remembers besides Θ and the moments lies in parts of its own.

    A function of what it was given since it began, bit for bit: restored from the parts of t - 1 it learns
    Θ_t as the one that wrote them.
    """

    reach: int  # periods of data that an update reads, D_t included

    def learn(self, lesson: Lesson) -> tuple[Theta, Moments]:
        """Θ_t with its moments."""
        ...

    def pretrained(self, examples: Examples) -> None:
        """Told, before the first lesson, the examples that Θ_0 was trained on, if there were any."""
        ...

    def keep(self, stay: Stay) -> None:
        """Told, before the lesson of period t, who stayed at its start, if anybody left."""
        ...

    def parts(self) -> dict[str, pa.Table]:
        """What it remembers, as parts beside the snapshot's; none of its names may be one of theirs."""
        ...

    def restore(self, parts: Mapping[str, pa.Table]) -> None:
        """Remember what `parts` gave. Raises: MissingArtefact: one of them is not there."""
        ...


class Forgetful:
    """The part of a strategy that remembers nothing."""

    reach = 1

    def pretrained(self, examples: Examples) -> None:
        """Nothing depends on it."""

    def keep(self, stay: Stay) -> None:
        """Nothing is by rows."""

    def parts(self) -> dict[str, pa.Table]:
        """None."""
        return {}

    def restore(self, parts: Mapping[str, pa.Table]) -> None:
        """Nothing to remember."""
