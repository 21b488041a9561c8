"""SPMF: old examples that the model fits badly, learnt again with D_t (Wang et al. 2018; paper, 4.1.2).

As the ASMG paper compares it: its own base model, the sampling alone is SPMF's. The authors' code weighs
only positives by how badly they are fitted; remembered negatives are drawn uniformly, and so they are here.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from stream.errors import MissingArtefact
from trainer.adam import Moments
from trainer.batches import Examples
from trainer.catalogue import Ints
from trainer.leaving import Stay
from trainer.model import Theta
from trainer.parts import column, lists, table_of
from trainer.score import logits_of
from trainer.strategies.contract import Lesson
from trainer.strategies.reservoir import Reservoir, drawn, rank_weights
from trainer.update import update

#: The part that holds the reservoirs.
RESERVOIR = "reservoir"

#: There is a reservoir for each, in this order.
LABELS = (1, 0)

_NO_INTS = np.zeros(0, np.int64)
_NONE = Examples(0, 0, _NO_INTS, _NO_INTS, np.zeros(1, np.int64), _NO_INTS, np.zeros(0, np.float32))


class Replayed:
    """Θ_{t-1} updated on D_t together with what is drawn from the reservoirs of positives and of negatives.

    A reservoir's capacity is a share of the first examples of its label that there are: of those that Θ_0
    was trained on, or else of D_1's. Where it is below what is to be drawn, as 0.3 of D_1 is below half of
    D_t, all that is kept is learnt again, well fitted or not; a share above 1 fills up over the periods.
    """

    reach = 1

    def __init__(self, share: float, seed: int) -> None:
        self.share, self.seed = share, seed
        self.reservoirs: dict[int, Reservoir] = {}  # by label; one that was never seen has none

    def learn(self, lesson: Lesson) -> tuple[Theta, Moments]:
        """Θ_t; D_t enters the reservoirs after what Θ_{t-1} is reminded of was drawn."""
        random = _random(lesson.seed, lesson.examples.period)
        old = [self._reminder(label, lesson, random) for label in self.reservoirs]
        data = Examples.concat([*old, lesson.examples])
        self._take_in(lesson.examples, random)
        return update(lesson.theta, lesson.moments, data, lesson.catalogue, lesson.settings, lesson.seed)

    def pretrained(self, examples: Examples) -> None:
        """The reservoirs begin with a sample of these, which also says how much they hold."""
        self._take_in(examples, _random(self.seed, examples.period))

    def keep(self, stay: Stay) -> None:
        """What is kept of those who left goes; the places that it had are filled first."""
        self.reservoirs = {label: one.without(stay) for label, one in self.reservoirs.items()}

    def parts(self) -> dict[str, pa.Table]:
        """The reservoirs, slot after slot: user (row), item (number), history (numbers), label; seen and
        capacity are those of the row's label.
        """
        kept = Examples.concat([_NONE, *(one.kept for one in self.reservoirs.values())])
        sizes = [len(one.kept) for one in self.reservoirs.values()]
        each = {
            "seen": [one.seen for one in self.reservoirs.values()],
            "capacity": [one.capacity for one in self.reservoirs.values()],
        }
        columns = {
            "user": pa.array(kept.user.astype(np.int32)),
            "item": pa.array(kept.item.astype(np.int32)),
            "history": lists(kept.history_offsets, kept.history.astype(np.int32)),
            "label": pa.array(kept.label.astype(np.int8)),
        }
        columns |= {name: pa.array(np.repeat(values, sizes)) for name, values in each.items()}
        return {RESERVOIR: table_of(columns)}

    def restore(self, parts: Mapping[str, pa.Table]) -> None:
        """The reservoirs as of these parts. Raises: MissingArtefact: their part is not there."""
        if RESERVOIR not in parts:
            raise MissingArtefact(f"spmf's part {RESERVOIR!r} is missing; there are {', '.join(parts)}")
        part = parts[RESERVOIR]
        history = column(part, "history")
        kept = Examples(
            0, 0, _ints(part, "user"), _ints(part, "item"), history.offsets.to_numpy().astype(np.int64),
            history.values.to_numpy().astype(np.int64), _ints(part, "label").astype(np.float32),
        )  # fmt: skip
        capacity, seen = _ints(part, "capacity"), _ints(part, "seen")
        self.reservoirs = {}
        for label in LABELS:
            if len(rows := _of(kept, label)):
                first = rows[0]
                self.reservoirs[label] = Reservoir(kept.take(rows), int(capacity[first]), int(seen[first]))

    def _reminder(self, label: int, lesson: Lesson, random: np.random.Generator) -> Examples:
        """What of one label is learnt again: `replay` times as many as D_t has, where there are as many."""
        kept = self.reservoirs[label].kept
        number = int(lesson.settings.replay * len(_of(lesson.examples, label)))
        weights = np.ones(len(kept))
        if label == 1:
            weights = rank_weights(logits_of(lesson.theta, kept, lesson.catalogue))
        return kept.take(drawn(weights, number, random))

    def _take_in(self, new: Examples, random: np.random.Generator) -> None:
        found = {}
        for label in LABELS:
            mine = new.take(_of(new, label))
            known = self.reservoirs.get(label)
            if known or len(mine):
                found[label] = (known or Reservoir.empty(mine, self.share)).taken_in(mine, random)
        self.reservoirs = found


def _of(examples: Examples, label: int) -> Ints:
    return np.flatnonzero(examples.label == label)


def _ints(part: pa.Table, name: str) -> Ints:
    return np.asarray(column(part, name).to_numpy(), np.int64)


def _random(seed: int, period: int) -> np.random.Generator:
    """What all that is drawn in a period comes from."""
    return np.random.Generator(np.random.PCG64([seed, period]))
