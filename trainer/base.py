"""The contract of a base model: what it is given of n examples, and what one of your own must be.

Of a model of one's own `trainer.base` names the class; docs/base-model.md has an example, and examples/ too.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import embedding, embedding_bag, pad

from trainer.batches import Bags


class Base(Protocol):
    """A `torch.nn.Module`: its parameters are the dense tensors of Θ, with their initial values.

    It is made by `Class(embedding, categories)`: `trainer.embedding`, and whether samples have categories.
    The parameters it then has are replaced by Θ's, or by those a generator makes, at every `forward`.
    """

    #: Widths of the rows of the embedding tables: "user", "item" and, with categories, perhaps "category".
    tables: Mapping[str, int]

    def forward(self, inputs: Inputs) -> Tensor:
        """[n] logits; each a function of its own example alone, and the same at every call."""
        ...


class Inputs:
    """n examples over i items, as a base model reads them; what is asked for is worked out then, once.

    w is the width of the item table's rows, with categories that of the category table's more.
    """

    def __init__(self, user: Tensor, item: Tensor, items: Tensor, histories: Bags) -> None:
        """items: [i, w], i > 0; histories: n lists of places among them, or one that all examples have."""
        self.user = user  # [n, width of the user table] the user's row (eq. 8)
        self.item = item  # [n, w] the item's row and the mean of its categories' rows (eq. 9)
        self._items, self._histories = items, histories

    @cached_property
    def pooled(self) -> Tensor:
        """[n, w] the mean of the items of the user's history; zero where there is none."""
        return self._for_all(pool(self._items, self._histories))

    @cached_property
    def newest(self) -> Tensor:
        """[n, w] the newest item of the history; zero where there is none."""
        return self._for_all(newest(self._items, self._histories))

    @cached_property
    def history(self) -> Tensor:
        """[n, l, w] the items of the history, newest first, then zeros; l: the longest one's length."""
        bags, there = self._histories, self._there
        places = bags.offsets[:, None] + torch.arange(there.shape[1], device=there.device)
        index = pad(bags.index, (0, 1))[places.clamp(max=len(bags.index))]  # [n, l]
        return self._for_all(torch.where(there[..., None], embedding(index, self._items), 0.0))

    @cached_property
    def there(self) -> Tensor:
        """[n, l] whether `history` has an item at that place."""
        return self._for_all(self._there)

    @cached_property
    def _there(self) -> Tensor:
        bags = self._histories
        lengths = pad(bags.offsets[1:], (0, 1), value=len(bags.index)) - bags.offsets  # [n]
        longest = int(lengths.max()) if len(lengths) else 0
        return torch.arange(longest, device=lengths.device) < lengths[:, None]

    def _for_all(self, found: Tensor) -> Tensor:
        return found if len(found) == len(self.user) else found.expand(len(self.user), *found.shape[1:])


def pool(vectors: Tensor, bags: Bags) -> Tensor:
    """[n, w] the weighted sum of each bag's vectors; zero where a bag is empty."""
    weight = bags.weight.to(vectors.dtype)
    return embedding_bag(bags.index, vectors, bags.offsets, mode="sum", per_sample_weights=weight)


def newest(vectors: Tensor, bags: Bags) -> Tensor:
    """[n, w] the vector that each bag begins with; zero where a bag is empty."""
    ends = pad(bags.offsets[1:], (0, 1), value=len(bags.index))
    begin = pad(bags.index, (0, 1))[bags.offsets]  # an empty bag may begin behind the last index
    return embedding(begin, vectors) * (ends > bags.offsets).to(vectors.dtype)[:, None]
