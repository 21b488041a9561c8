"""A base model of one's own where requests are answered: by torch, on one thread.

What stays of a request after the base's logit (biases, activity, a calibrator) is serving/taste.py's, as of
the built-in model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch

from serving.taste import Floats, Own
from trainer.base import Inputs
from trainer.batches import Bags
from trainer.own import OwnBase, own_base
from trainer.parts import POOLING_EPSILON
from trainer.settings import TrainerSettings
from trainer.source import failing


def opened(
    settings: TrainerSettings, tables: Mapping[str, Floats], mlp: Mapping[str, Floats]
) -> tuple[Own, Mapping[str, int]]:
    """The base that `trainer.base` names, with a model's tensors in it, and the widths of its tables' rows.

    Raises: ConfigurationError: it cannot be loaded, or these are not its tables and tensors.
    """
    torch.set_num_threads(1)
    own = own_base(settings, "category" in tables)
    assert own is not None
    own.require(*({name: one.shape for name, one in each.items()} for each in (tables, mlp)))
    return _answering(own, {name: torch.from_numpy(mlp[name]) for name in own.shapes}), own.tables


def _answering(own: OwnBase, dense: Mapping[str, torch.Tensor]) -> Own:
    def of_user(user: Floats, history: Floats) -> Callable[[Floats], Floats]:
        h, w = history.shape
        weight = torch.full((h,), 1.0 / (h + POOLING_EPSILON))
        histories = Bags(torch.arange(h), torch.zeros(1, dtype=torch.int64), weight)
        items = torch.from_numpy(history) if h else torch.zeros(1, w)
        one = torch.from_numpy(user)

        def logits(vectors: Floats) -> Floats:
            if not len(vectors):
                return np.zeros(0, np.float32)
            inputs = Inputs(one.expand(len(vectors), -1), torch.from_numpy(vectors), items, histories)
            with torch.inference_mode(), failing(own.name):
                found: Floats = own.logits(dense, inputs).numpy().copy()  # others add to it
            return found

        return logits

    return of_user
