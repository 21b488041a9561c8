"""Batches of k period sets at once: one run of examples from each, over the rows that all of them touch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from metagen.kernels import join, join_categories, lay_out
from metagen.touched import Touched
from trainer.batches import Bags, Batch, Examples, shuffled
from trainer.catalogue import Ints
from trainer.device import on_device
from trainer.parts import POOLING_EPSILON

#: Joint batches prepared at a time: enough to spread the cost of a call, few enough to stay small.
CHUNK = 64


class Size(NamedTuple):
    """How much one step has in a joint batch."""

    examples: int
    values: int  # entries of their histories
    items: int  # distinct ones
    categories: int  # of those


@dataclass(frozen=True, eq=False)
class Joint:
    """One run of examples from each of k period sets, for the last k steps of a window.

    Rows that late steps read come first, so step i needs only the first `counts[name][i]` of them: its own
    and those of the steps after it.
    """

    rows: dict[str, Tensor]  # table -> [r] places in the period's touched rows, each once
    counts: dict[str, list[int]]  # table -> for each step, oldest first, how many of them it needs
    #: table -> [Σ counts] the rows of each step, the newest step's first, as row · k + step from 0
    places: dict[str, Tensor]
    #: All runs as one batch, the newest step's first. Its indices are places among the rows of the steps,
    #: `rows[name][: counts[name][i]]`, laid one behind the other in this order.
    whole: Batch
    sizes: list[Size]  # of each step, oldest first

    def steps(self) -> list[Batch]:
        """The runs as batches of their own, oldest first; step i's indices are places among its rows."""
        found, whole = list[Batch](), self.whole
        at, before = Size(0, 0, 0, 0), dict.fromkeys(self.rows, 0)
        for i in reversed(range(len(self.sizes))):
            to = Size(*(a + b for a, b in zip(at, self.sizes[i], strict=True)))
            mine, items = slice(at.examples, to.examples), slice(at.items, to.items)
            category = None
            if whole.category is not None:
                theirs = slice(at.categories, to.categories)
                category = _less(whole.category, items, theirs, before["category"])
            batch = Batch(
                rows={name: rows[: self.counts[name][i]] for name, rows in self.rows.items()},
                user=whole.user[mine] - before["user"],
                item=whole.item[mine] - at.items,
                item_row=whole.item_row[items] - before["item"],
                category=category,
                history=_less(whole.history, mine, slice(at.values, to.values), at.items),
                label=whole.label[mine],
                activity=None if whole.activity is None else whole.activity[mine],
            )
            found.append(batch)
            at, before = to, {name: before[name] + count[i] for name, count in self.counts.items()}
        return found[::-1]

    def shares(self, weights: Sequence[float]) -> Tensor:
        """[n] what each example of `whole` counts for: its step's weight by the number of its examples."""
        examples = [size.examples for size in reversed(self.sizes)]
        share = [weight / max(n, 1) for weight, n in zip(reversed(weights), examples, strict=True)]
        return on_device(np.repeat(share, examples), self.whole.label.device)


def joint_batches(
    touched: Touched, batch: int, seed: int, epoch: int, device: torch.device | None = None
) -> Iterator[Joint]:
    """All sets, shuffled and cut into the same number of runs, ceil(|newest| / batch), run by run."""
    sets = [shuffled(one, seed, epoch) for one in touched.sets]
    runs = -(-len(sets[-1]) // batch)
    starts = np.cumsum([0, *(len(one) for one in sets[:-1])])
    cuts = starts[:, None] + np.array([[len(one) * run // runs for run in range(runs + 1)] for one in sets])
    joint = Examples.concat(sets)
    for first in range(0, runs, CHUNK):
        yield from _chunk(touched, joint, cuts[:, first : first + CHUNK + 1], device)


def _chunk(touched: Touched, joint: Examples, cuts: Ints, device: torch.device | None) -> Iterator[Joint]:
    """The runs between consecutive cuts [k, runs + 1] of the sets, which lie in `joint` one by one."""
    newest = np.ascontiguousarray(cuts[::-1].T)  # [runs + 1, k], the newest set first
    spans = zip(newest[:-1].ravel().tolist(), newest[1:].ravel().tolist(), strict=True)
    order = np.concatenate([np.arange(start, stop) for start, stop in spans])
    of_table = {name: len(rows) for name, rows in touched.rows.items()}
    user, item, history, item_row, distinct, *rows, sizes, counts = join(
        newest,
        joint.user,
        joint.item,
        joint.history_offsets,
        joint.history,
        touched.item_row,
        of_table["user"],
        of_table["item"],
        POOLING_EPSILON,
    )
    category, entries = None, np.zeros_like(sizes[:, :, 2])
    if "category" in of_table:
        category, category_rows, entries, more = join_categories(
            distinct,
            sizes[:, :, 2],
            touched.category_offsets,
            touched.category,
            of_table["category"],
            POOLING_EPSILON,
        )
        rows, counts = [*rows, category_rows], np.concatenate([counts, more[:, :, None]], 2)

    def tensor(values: npt.NDArray[np.generic]) -> Tensor:
        return on_device(values, device)

    runs = Batch(
        rows=dict(zip(of_table, map(tensor, rows), strict=True)),
        user=tensor(user),
        item=tensor(item),
        item_row=tensor(item_row),
        category=None if category is None else Bags(*map(tensor, category)),
        history=Bags(*map(tensor, history)),
        label=tensor(joint.label[order]),
        activity=None if joint.activity is None else tensor(joint.activity[order]),
    )
    places = {
        name: tensor(lay_out(of, np.ascontiguousarray(counts[:, :, t])))
        for t, (name, of) in enumerate(zip(of_table, rows, strict=True))
    }
    return _cut(runs, places, np.concatenate([sizes, entries[:, :, None]], 2), counts)


def _cut(runs: Batch, places: Mapping[str, Tensor], sizes: Ints, counts: Ints) -> Iterator[Joint]:
    """Run by run, from their sizes [runs, k, 4] and counts of rows [runs, k, tables], newest step first."""
    ends = np.cumsum(sizes.sum(1), 0).tolist()
    row_ends = np.cumsum(counts[:, -1], 0).tolist()  # the oldest step needs them all
    place_ends = np.cumsum(counts.sum(1), 0).tolist()
    at, row_at, place_at = Size(0, 0, 0, 0), [0] * counts.shape[2], [0] * counts.shape[2]
    for run, (end, row_to, place_to) in enumerate(zip(ends, row_ends, place_ends, strict=True)):
        to, mine = Size(*end), counts[run, ::-1].T.tolist()
        yield Joint(
            rows={name: runs.rows[name][row_at[t] : row_to[t]] for t, name in enumerate(runs.rows)},
            counts={name: mine[t] for t, name in enumerate(runs.rows)},
            places={name: places[name][place_at[t] : place_to[t]] for t, name in enumerate(runs.rows)},
            whole=_part(runs, at, to),
            sizes=[Size(*one) for one in sizes[run, ::-1].tolist()],
        )
        at, row_at, place_at = to, row_to, place_to


def _part(batch: Batch, at: Size, to: Size) -> Batch:
    """The examples of one run; offsets of bags begin anew in each run already."""
    mine, items = slice(at.examples, to.examples), slice(at.items, to.items)
    values, theirs = slice(at.values, to.values), slice(at.categories, to.categories)
    category = batch.category
    if category is not None:
        category = Bags(category.index[theirs], category.offsets[items], category.weight[theirs])
    history = batch.history
    return Batch(
        rows={},
        user=batch.user[mine],
        item=batch.item[mine],
        item_row=batch.item_row[items],
        category=category,
        history=Bags(history.index[values], history.offsets[mine], history.weight[values]),
        label=batch.label[mine],
        activity=None if batch.activity is None else batch.activity[mine],
    )


def _less(bags: Bags, lists: slice, values: slice, before: int) -> Bags:
    """Some of the bags alone, their indices less `before`."""
    return Bags(bags.index[values] - before, bags.offsets[lists] - values.start, bags.weight[values])
