"""How much a period's training and a sweep compute and move, counted from the batches themselves.

Multiply-adds are those of the matrices alone; σ and tanh are counted apart, and what else is done element by
element is not counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from metagen.joint import Joint
from trainer.activity import INACTIVE
from trainer.model import Theta, layers

#: Bytes of a parameter, and of one number of `Activity`.
FLOAT, COUNT = 4, 8

#: Of the numbers of `Activity` those that become inputs.
ACTIVITY = len(INACTIVE)


@dataclass(frozen=True)
class Counted:
    """What the batches of a period have, all together."""

    steps: int  # batches
    models: int  # in the window
    examples: int
    entries: int  # of their histories
    rows: int  # of all tables, gone through once for each model that needs them
    first: int  # of those, by the window's first model

    @classmethod
    def of_rows(cls, rows: int) -> Counted:
        """Rows gone through, and no batches."""
        return cls(0, 0, 0, 0, rows, 0)


def count(joints: Iterable[Joint], models: int) -> Counted:
    """Of the joint batches of one epoch."""
    steps = examples = entries = rows = first = 0
    for joint in joints:
        steps += 1
        examples += sum(size.examples for size in joint.sizes)
        entries += sum(size.values for size in joint.sizes)
        rows += sum(sum(counts) for counts in joint.counts.values())
        first += sum(counts[0] for counts in joint.counts.values())
    return Counted(steps, models, examples, entries, rows, first)


def coordinate_cell(d: int) -> tuple[int, int, int]:
    """Multiply-adds of the paper's cell for a coordinate and a model: forward, its gradient on the weights
    and through the step, and what of the latter the window's first model does not need.

    Forward: U 3d, W 3d², to θ* d. Gradient: on these 3d + 3d² + d; to h d, to r∘h d², through z and r 2d².
    """
    return 4 * d + 3 * d * d, 5 * d + 6 * d * d, 2 * d * d


def row_cell(width: int, outputs: int, d: int) -> tuple[int, int, int]:
    """The same of ASMG+'s cell for a row of a table with vectors of this width."""
    inputs = 2 * width + ACTIVITY + 1  # the 1 that biases are the weights of
    forward = 3 * d * inputs + 3 * d * d + outputs * d
    return forward, forward + outputs * d + 3 * d * d, 2 * d * d


def base_model(width: int, counted: Counted) -> int:
    """Multiply-adds of the base model, forward and back: its MLP per example, its pooling per entry."""
    per_example = sum(a * b for a, b in pairwise(layers(width, False)))
    return 3 * per_example * counted.examples + 2 * width * counted.entries


def multi_multiply_adds(counted: Counted, theta: Theta, d: int) -> int:
    """Of a period's training of ASMG-GRUmulti: a cell per column of each row and per scalar of the MLP."""
    width = theta.tables["user"].shape[1]
    scalars = sum(one.numel() for one in theta.mlp.values())
    cells = width * counted.rows + scalars * counted.steps * counted.models
    first = width * counted.first + scalars * counted.steps
    forward, back, spared = coordinate_cell(d)
    return (forward + back) * cells - spared * first + base_model(width, counted)


def plus_multiply_adds(counted: Counted, theta: Theta, d: int) -> int:
    """Of a period's training of ASMG+, whose tables all have a bias slot here (users and items)."""
    width = theta.tables["user"].shape[1]
    forward, back, spared = row_cell(width, width + 1, d)
    return (forward + back) * counted.rows - spared * counted.first + base_model(width, counted)


def multi_activations(counted: Counted, theta: Theta, d: int) -> int:
    """σ and tanh of ASMG-GRUmulti's cells in a period's training."""
    width = theta.tables["user"].shape[1]
    scalars = sum(one.numel() for one in theta.mlp.values())
    return 3 * d * (width * counted.rows + scalars * counted.steps * counted.models)


def plus_activations(counted: Counted, theta: Theta, d: int) -> int:  # noqa: ARG001 alike for all methods
    """σ and tanh of ASMG+'s cells in a period's training."""
    return 3 * d * counted.rows


@dataclass(frozen=True)
class Moved:
    """Bytes that one pass over a row of a table must read and write, each once."""

    read: int
    written: int

    @property
    def both(self) -> int:
        """Read and written together."""
        return self.read + self.written


def multi_generate(width: int, d: int, k: int) -> Moved:
    """Of ASMG-GRUmulti's sweep: k vectors and the hidden states, to a vector."""
    return Moved(FLOAT * width * (k + d), FLOAT * width)


def multi_carry(width: int, d: int) -> Moved:
    """Of its carry: a vector and the hidden states, to hidden states."""
    return Moved(FLOAT * width * (1 + d), FLOAT * width * d)


def plus_generate(width: int, d: int, k: int) -> Moved:
    """Of ASMG+'s sweep: k + 1 vectors, k activities and the hidden state, to a vector with its slot."""
    return Moved(FLOAT * (width * (k + 1) + d) + COUNT * ACTIVITY * k, FLOAT * (width + 1))


def plus_carry(width: int, d: int) -> Moved:
    """Of its carry: two vectors, an activity and the hidden state, to a hidden state."""
    return Moved(FLOAT * (2 * width + d) + COUNT * ACTIVITY, FLOAT * d)
