"""D_t as index arrays, drawn negatives included, and the batches that are cut from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from stream.samples import HISTORY, Samples, take_lists
from trainer.activity import Activity, activity_inputs, no_activity
from trainer.catalogue import Catalogue, Ints, look_up_codes
from trainer.device import on_device
from trainer.distinct import Distinct
from trainer.negatives import draw_negatives, draw_popular_negatives
from trainer.parts import POOLING_EPSILON
from trainer.settings import NegativeDraw
from trainer.vocabulary import splitmix64


@dataclass(frozen=True, eq=False)
class Examples:
    """D_t for training and scoring: its samples in Order, then its drawn negatives."""

    period: int
    samples: int  # rows that the stream labelled; those after them were drawn
    user: Ints  # [n] rows of the user table
    item: Ints  # [n] item numbers
    history_offsets: Ints  # [n + 1]
    history: Ints  # item numbers, newest first
    label: npt.NDArray[np.float32]  # [n] 1 clicked, 0 not
    #: [n, 6] how active item and user were as of the period before, for a base model that reads it
    activity: npt.NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: Ints) -> Examples:
        """These rows, in the order given."""
        offsets, history = take_lists(self.history_offsets, self.history, rows)
        activity = None if self.activity is None else self.activity[rows]
        return Examples(
            self.period,
            self.samples,
            self.user[rows],
            self.item[rows],
            offsets,
            history,
            self.label[rows],
            activity,
        )

    @classmethod
    def concat(cls, parts: Sequence[Examples]) -> Examples:
        """All of them one after the other, as one D of the last one's period."""
        offsets = [np.diff(one.history_offsets) for one in parts]
        activity = [one.activity for one in parts if one.activity is not None]
        return cls(
            parts[-1].period,
            sum(one.samples for one in parts),
            np.concatenate([one.user for one in parts]),
            np.concatenate([one.item for one in parts]),
            np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(offsets))]),
            np.concatenate([one.history for one in parts]),
            np.concatenate([one.label for one in parts]),
            np.concatenate(activity) if activity else None,
        )

    def known(self) -> Examples:
        """Those whose user and item have a row: the others were of users who are forgotten, or of ids that
        have left since."""
        which = (self.user >= 0) & (self.item >= 0)
        if which.all():
            return self
        rows = np.flatnonzero(which)
        return replace(self.take(rows), samples=int(np.searchsorted(rows, self.samples)))

    def part(self, start: int, stop: int) -> Examples:
        """The rows [start, stop), as views."""
        offsets = self.history_offsets[start : stop + 1]
        return Examples(
            self.period,
            self.samples,
            self.user[start:stop],
            self.item[start:stop],
            offsets - offsets[0],
            self.history[offsets[0] : offsets[-1]],
            self.label[start:stop],
            None if self.activity is None else self.activity[start:stop],
        )


@dataclass(frozen=True, eq=False)
class Bags:
    """n weighted lists of places: what `embedding_bag` pools."""

    index: torch.Tensor  # [e] int64
    offsets: torch.Tensor  # [n] int64, where each list begins
    weight: torch.Tensor  # [e] float32, 1 / (length + POOLING_EPSILON): a sum so weighted is the mean


@dataclass(frozen=True, eq=False)
class Batch:
    """n examples over the table rows they touch; every index but `rows` is a place among those."""

    rows: dict[str, torch.Tensor]  # table -> [touched] rows of the table, ascending, each once
    user: torch.Tensor  # [n] places in rows["user"]
    item: torch.Tensor  # [n] places among the batch's i items
    item_row: torch.Tensor  # [i] places in rows["item"]
    category: Bags | None  # i lists of places in rows["category"]
    history: Bags  # n lists of places among the batch's items
    label: torch.Tensor  # [n] float32
    activity: torch.Tensor | None = None  # [n, 6] as in `Examples`


def make_examples(
    samples: Samples,
    catalogue: Catalogue,
    period: int,
    seed: int,
    negatives: int,
    before: Mapping[str, Activity] | None = None,
    negative_draw: NegativeDraw = "uniform",
) -> Examples:
    """D_t (in Order) as rows and numbers, followed by `negatives` draws for each positive without impression.

    catalogue: extended by D_t and by nothing after it. before: the activity at the end of the period before,
    for a base model that reads it. A user without a row is forgotten, and has no examples.
    """
    user = look_up_codes(catalogue.users, samples.users, samples.user)
    both = look_up_codes(catalogue.items, samples.items, np.concatenate([samples.item, samples.history]))
    seen = len(catalogue.items)
    mine = Examples(
        period,
        len(samples),
        user,
        both[: len(samples)],
        samples.history_offsets,
        both[len(samples) :],
        samples.label.astype(np.float32),
    )
    without = samples.impression_id.to_numpy(zero_copy_only=False) == ""
    positives = np.flatnonzero((samples.label == 1) & without)
    barred = _targets_and_histories(mine, positives) if negatives else positives
    if negative_draw == "popular":
        clicked = mine.item[samples.label == 1]
        draws = [
            draw_popular_negatives(seed, period, positives, barred, seen, clicked, draw)
            for draw in range(negatives)
        ]
    else:
        draws = [draw_negatives(seed, period, positives, barred, seen, draw) for draw in range(negatives)]
    drawn = np.concatenate([*draws, np.zeros(0, np.int64)])
    sources = np.tile(positives, negatives)[drawn >= 0]
    examples = _with_negatives(mine, sources, drawn[drawn >= 0]).known()
    return examples if before is None else _with_activity(examples, catalogue, before)


def shuffled(examples: Examples, seed: int, epoch: int = 0) -> Examples:
    """The examples in the order of `permutation`."""
    return examples.take(permutation(examples, seed, epoch))


def permutation(examples: Examples, seed: int, epoch: int = 0) -> Ints:
    """[n] an order of the examples that (seed, period, epoch) determine."""
    mixed = np.zeros(1, np.uint64)
    for number in (seed, examples.period, epoch):
        mixed = splitmix64(mixed ^ np.array([number], np.int64).astype(np.uint64))
    keys = splitmix64(np.arange(len(examples), dtype=np.uint64) ^ mixed)
    return np.argsort(keys, kind="stable")


def batches(
    examples: Examples, catalogue: Catalogue, size: int, device: torch.device | None = None
) -> Iterator[Batch]:
    """The examples in runs of `size`, the last perhaps shorter."""
    numbering = Numbering(examples, catalogue)
    for start in range(0, len(examples), size):
        part = examples.part(start, min(start + size, len(examples)))
        yield make_batch(part, catalogue, device, numbering)


class Numbering:
    """What numbers the rows and items of batches anew that are cut from some examples."""

    def __init__(self, examples: Examples, catalogue: Catalogue) -> None:
        self.user = Distinct(examples.user)
        self.item = Distinct(examples.item, examples.history)
        self.item_row, self.category = Distinct(catalogue.item_row), Distinct(catalogue.category)


def make_batch(
    examples: Examples,
    catalogue: Catalogue,
    device: torch.device | None = None,
    numbering: Numbering | None = None,
) -> Batch:
    """The examples as tensors over the rows they touch, with the categories the catalogue has now."""
    n, numbering = len(examples), numbering or Numbering(examples, catalogue)
    users, user = numbering.user(examples.user)
    items, places = numbering.item(np.concatenate([examples.item, examples.history]))
    item_rows, item_row = numbering.item_row(catalogue.item_row[items])
    rows = {"user": users, "item": item_rows}
    category = None
    if catalogue.categories is not None:
        offsets, values = catalogue.categories_of(items)
        rows["category"], place = numbering.category(values)
        category = _bags(offsets, place, device)

    def tensor(values: npt.NDArray[np.generic]) -> torch.Tensor:
        return on_device(values, device)

    return Batch(
        rows={table: tensor(touched) for table, touched in rows.items()},
        user=tensor(user),
        item=tensor(places[:n]),
        item_row=tensor(item_row),
        category=category,
        history=_bags(examples.history_offsets, places[n:], device),
        label=tensor(examples.label),
        activity=None if examples.activity is None else tensor(examples.activity),
    )


def _bags(offsets: Ints, index: Ints, device: torch.device | None) -> Bags:
    lengths = np.diff(offsets)
    weight = np.repeat((1.0 / (lengths + POOLING_EPSILON)).astype(np.float32), lengths)
    return Bags(
        on_device(index, device),
        on_device(offsets[:-1], device),
        on_device(weight, device),
    )


def _with_activity(examples: Examples, catalogue: Catalogue, before: Mapping[str, Activity]) -> Examples:
    """The examples with what was known of the activity of each one's item and user."""
    rows = {"item": catalogue.item_row[examples.item], "user": examples.user}
    size = catalogue.table_rows()
    inputs = [
        activity_inputs(before.get(name) or no_activity(0), examples.period - 1, size[name])[rows[name]]
        for name in ("item", "user")
    ]
    return replace(examples, activity=np.concatenate(inputs, axis=1))


def _targets_and_histories(examples: Examples, rows: Ints) -> Ints:
    """[len(rows), 1 + longest history] the item and the history of each row, padded with -1."""
    offsets, history = take_lists(examples.history_offsets, examples.history, rows)
    lengths = np.diff(offsets)
    padded = np.full((len(rows), 1 + int(lengths.max(initial=HISTORY))), -1, np.int64)
    padded[:, 0] = examples.item[rows]
    place = np.arange(len(history)) - np.repeat(offsets[:-1], lengths)
    padded[np.repeat(np.arange(len(rows)), lengths), place + 1] = history
    return padded


def _with_negatives(examples: Examples, sources: Ints, items: Ints) -> Examples:
    """The examples, then for each of `sources` its user and history with another item, labelled 0."""
    rows = np.concatenate([np.arange(len(examples)), sources])
    both = examples.take(rows)
    label = both.label.copy()
    label[len(examples) :] = 0
    item = np.concatenate([examples.item, items])
    return Examples(
        examples.period, examples.samples, both.user, item, both.history_offsets, both.history, label
    )
