"""A source's events as the rows of a log, and rows as samples: what windowing does, all at once. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stream.replay import IMPRESSION, Source
from stream.samples import HISTORY, Samples, take_lists

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rows:
    """n rows: each an item that a user was shown, or took."""

    ts: Ints  # [n] ms
    user: Ints  # [n] codes into `users`
    item: Ints  # [n] codes into `items`
    label: npt.NDArray[np.int8]  # [n] 1 taken, 0 not
    impression_id: pa.StringArray  # [n] "" for a click that came without an impression
    category_offsets: Ints  # [n + 1]
    category: Ints  # codes into `categories`
    users: pa.StringArray
    items: pa.StringArray
    categories: pa.StringArray

    def __len__(self) -> int:
        return len(self.ts)

    @property
    def clicks_alone(self) -> bool:
        """Whether no impression stands behind any row: a log of clicks."""
        return bool(pc.all(pc.equal(self.impression_id, "")).as_py() in (True, None))

    def take(self, rows: Ints) -> Rows:
        """These rows, in the order given; the dictionaries stay as they are."""
        offsets, category = take_lists(self.category_offsets, self.category, rows)
        return replace(
            self,
            ts=self.ts[rows],
            user=self.user[rows],
            item=self.item[rows],
            label=self.label[rows],
            impression_id=self.impression_id.take(pa.array(rows)),
            category_offsets=offsets,
            category=category,
        )


def rows_of(source: Source) -> Rows:
    """Impressions, with label 1 where a click names them, and clicks without one; in Order.

    Time is that of the impression or of the click that came without one.
    """
    events = source.events.combine_chunks()
    kind, ids = events["kind"].to_numpy(), events["impression_id"].combine_chunks()
    clicked = ids.filter(pa.array(kind != IMPRESSION)).drop_null()
    without = ids.is_null().to_numpy(zero_copy_only=False)
    kept = np.flatnonzero((kind == IMPRESSION) | without)
    taken = pa.array(kept)
    named = pc.fill_null(ids.take(taken), "")
    label = without[kept] | pc.is_in(named, clicked).to_numpy(zero_copy_only=False)
    user, item = (_one(events[name]).take(taken) for name in ("user_id", "item_id"))
    lists = _one(events["categories"]).take(taken)
    offsets = lists.offsets.to_numpy().astype(np.int64)
    rows = Rows(
        ts=events["ts"].to_numpy()[kept],
        user=user.indices.to_numpy().astype(np.int64),
        item=item.indices.to_numpy().astype(np.int64),
        label=label.astype(np.int8),
        impression_id=named,
        category_offsets=offsets - offsets[0],
        category=lists.flatten().indices.to_numpy().astype(np.int64),
        users=user.dictionary,
        items=item.dictionary,
        categories=lists.values.dictionary,
    )
    return rows.take(_plain(rows).in_order())


class Sampler:
    """Rows, which are in Order, as samples decided at their own time, a part at a time; `row_hash` is 0.

    A history is the user's at most 30 most recent positives at an earlier time, newest first: of all rows at
    once they may not fit into memory.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        times, time = np.unique(rows.ts, return_inverse=True)
        self._user = rows.user * (len(times) + 1)
        self._key = self._user + time  # [n] rises with time within a user
        positives = np.flatnonzero(rows.label == 1)
        positives = positives[np.argsort(self._key[positives], kind="stable")]
        self._positives = self._key[positives]  # ascending
        self._taken = rows.item[positives].astype(np.int32)

    def part(self, start: int, stop: int) -> Samples:
        """The rows [start, stop), with the dictionaries of all rows."""
        mine = np.arange(start, stop)
        first = np.searchsorted(self._positives, self._user[mine])
        end = np.searchsorted(self._positives, self._key[mine])
        length = np.minimum(end - first, HISTORY)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(length)])
        back = np.arange(offsets[-1]) - np.repeat(offsets[:-1], length)
        history = self._taken[np.repeat(end, length) - 1 - back]
        samples = replace(_plain(self.rows.take(mine)), history_offsets=offsets, history=history)
        return replace(samples, number=mine)


def _plain(rows: Rows) -> Samples:
    """The samples without their histories."""
    n = len(rows)
    return Samples(
        number=np.arange(n),
        decided_at=rows.ts,
        user=rows.user.astype(np.int32),
        item=rows.item.astype(np.int32),
        impression_id=rows.impression_id,
        category_offsets=rows.category_offsets,
        category=rows.category.astype(np.int32),
        history_offsets=np.zeros(n + 1, np.int64),
        history=np.zeros(0, np.int32),
        label=rows.label,
        row_hash=np.zeros(n, np.uint64),
        users=rows.users,
        items=rows.items,
        categories=rows.categories,
    )


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
