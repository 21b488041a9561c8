"""What examples read of the tables: rows of user, item and history, gathered in one pass, and its gradient.

On a CPU a batch of the loop's is so small that torch's operators for it cost more than their arithmetic. So
there the rows are gathered, and gradients added up, by a compiled loop; elsewhere by torch's operators.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.nn.functional import embedding

from trainer.base import Inputs
from trainer.batches import Bags

Array = Any  # a numpy array; numba knows its type


class Read(NamedTuple):
    """n examples as the built-in base model reads them; a row may end in a bias slot, behind its vector."""

    user: Tensor  # [n, width of the user table] (eq. 8)
    item: Tensor  # [n, width of the items' rows] (eq. 9)
    pooled: Tensor  # [n, w] the mean of the history's vectors; zero where there is none
    newest: Tensor  # [n, w] the vector of its newest item; zero where there is none


def read(users: Tensor, items: Tensor, user: Tensor, item: Tensor, history: Bags, w: int) -> Read:
    """Rows of users [·, e] and items [·, >= w] by their places; w: how wide the items' vectors are.

    user, item: [n] places among the rows; history: n lists of places among the items. Differentiable in the
    rows.
    """
    if users.device.type == "cpu":
        gathered: Sequence[Tensor] = _Gather.apply(
            users, items, user, item, history.index, history.offsets, history.weight, w
        )
        return Read(*gathered)
    inputs = Inputs(embedding(user, users), embedding(item, items), items[:, :w], history)
    return Read(inputs.user, inputs.item, inputs.pooled, inputs.newest)


class _Gather(torch.autograd.Function):
    """`read` on a CPU; sums are added up in the order of the examples, so they are the same every time."""

    @staticmethod
    def forward(
        ctx: Any,
        users: Tensor,
        items: Tensor,
        user: Tensor,
        item: Tensor,
        index: Tensor,
        offsets: Tensor,
        weight: Tensor,
        w: int,
    ) -> tuple[Tensor, ...]:
        ctx.places = [one.numpy() for one in (user, item, index, offsets, weight)]
        ctx.rows = len(users), len(items)
        given = users.detach().contiguous().numpy(), items.detach().contiguous().numpy()
        return tuple(map(torch.from_numpy, _gather(*given, *ctx.places, w)))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        given = [one.contiguous().numpy() for one in gradients]
        of_users, of_items = _scatter(*given, *ctx.places, *ctx.rows)
        return (torch.from_numpy(of_users), torch.from_numpy(of_items), *[None] * 6)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _gather(
    users: Array,
    items: Array,
    user: Array,
    item: Array,
    index: Array,
    offsets: Array,
    weight: Array,
    w: int,
) -> tuple[Array, ...]:
    """The four of `Read`; history: index, offsets and weight as in `Bags`."""
    n = len(user)
    of_user, of_item = np.empty((n, users.shape[1]), users.dtype), np.empty((n, items.shape[1]), items.dtype)
    pooled, newest = np.zeros((n, w), items.dtype), np.zeros((n, w), items.dtype)
    for x in range(n):
        if user[x] >= len(users) or item[x] >= len(items):
            raise IndexError("an example's place is not among the rows")
        of_user[x] = users[user[x]]
        of_item[x] = items[item[x]]
        begin, end = offsets[x], offsets[x + 1] if x + 1 < n else len(index)
        for y in range(begin, end):
            row, share = index[y], weight[y]
            if row >= len(items):
                raise IndexError("a history's place is not among the rows")
            for j in range(w):
                pooled[x, j] += share * items[row, j]
        if begin < end:
            newest[x] = items[index[begin], :w]
    return of_user, of_item, pooled, newest


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _scatter(
    by_user: Array,
    by_item: Array,
    by_pooled: Array,
    by_newest: Array,
    user: Array,
    item: Array,
    index: Array,
    offsets: Array,
    weight: Array,
    users: int,
    items: int,
) -> tuple[Array, Array]:
    """Gradients by so many rows of users and items, from those by the four of `Read`."""
    n, w = by_pooled.shape
    of_users = np.zeros((users, by_user.shape[1]), by_user.dtype)
    of_items = np.zeros((items, by_item.shape[1]), by_item.dtype)
    for x in range(n):
        of_users[user[x]] += by_user[x]
        of_items[item[x]] += by_item[x]
        begin, end = offsets[x], offsets[x + 1] if x + 1 < n else len(index)
        for y in range(begin, end):
            row, share = index[y], weight[y]
            for j in range(w):
                of_items[row, j] += share * by_pooled[x, j]
        if begin < end:
            for j in range(w):
                of_items[index[begin], j] += by_newest[x, j]
    return of_users, of_items
