"""One user's side of the base model, worked out once: what is left of it for each candidate is small.

`trainer.model.forward` takes any batch of examples. Here user and history are the same for all candidates, so
of the first layer all that they enter alone is a constant, and the products with a candidate's vector are one
more matrix that is added to the kernel:

    [u|s|v]·K + b + [s∘v|u∘v|l∘v]·P
        = (u·K_u + s·K_s + b) + v·(K_v + diag(s)·P_s + diag(u|0)·P_u + diag(l)·P_l)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import linear, pad, relu

from trainer.batches import POOLING_EPSILON
from trainer.model import PRODUCTS, calibrated
from trainer.parts import CALIBRATOR


@dataclass(frozen=True, eq=False)
class Items:
    """n items as the model reads them."""

    vectors: Tensor  # [n, w] an item's vector and its categories' mean
    bias: Tensor | None  # [n] where the table has a bias slot
    activity: Tensor | None  # [n, 3] where the model reads how active they were

    def split(self, at: int) -> tuple[Items, Items]:
        """The first ones, and those from `at` on."""
        return self._part(slice(at)), self._part(slice(at, None))

    def _part(self, which: slice) -> Items:
        bias, activity = self.bias, self.activity
        return Items(
            self.vectors[which],
            None if bias is None else bias[which],
            None if activity is None else activity[which],
        )


class Taste:
    """A user with a history, before the candidates are known."""

    def __init__(
        self, mlp: Mapping[str, Tensor], user: Tensor, history: Items, activity: Tensor | None, width: int
    ) -> None:
        """user: [e] or, with a bias slot, [e + 1]. activity: [3] the user's. width: e."""
        self._mlp, self._user = mlp, user
        self._activity = activity
        self._bias = user[width] if len(user) > width else None
        if "kernel1" not in mlp:
            return
        h, w = history.vectors.shape
        u = user[:width]
        s = history.vectors.sum(0) * (1.0 / (h + POOLING_EPSILON))  # [w]
        kernel = mlp["kernel1"]
        self._constant = torch.addmv(mlp["bias1"], kernel[: width + w].T, torch.cat([u, s]))
        self._kernel = kernel[width + w :]  # [w, l1]
        if PRODUCTS in mlp:
            of_s, of_u, of_l = torch.split(mlp[PRODUCTS], [w, width, w])
            self._kernel = torch.addcmul(self._kernel, s[:, None], of_s)
            self._kernel += pad(u[:, None] * of_u, (0, 0, 0, w - width))
            if h:
                self._kernel.addcmul_(history.vectors[0][:, None], of_l)

    def logits(self, items: Items) -> Tensor:
        """[n] the logits of candidates."""
        mlp = self._mlp
        if "kernel1" not in mlp:
            assert items.bias is not None
            return items.vectors @ self._user[:-1] + self._user[-1] + items.bias + mlp["bias"]
        x = relu(torch.addmm(self._constant, items.vectors, self._kernel))  # [n, l1]
        x = relu(torch.addmm(mlp["bias2"], x, mlp["kernel2"]))  # [n, l2]
        logit = linear(x, mlp["kernel3"].T, mlp["bias3"])[:, 0]  # [n]
        if self._bias is not None and items.bias is not None:
            logit = logit + items.bias + self._bias
        if self._activity is None or items.activity is None:
            return logit
        activity = torch.cat([items.activity, self._activity.expand(len(logit), 3)], 1)  # [n, 6]
        if "activity_kernel1" in mlp:
            a = relu(linear(activity, mlp["activity_kernel1"].T, mlp["activity_bias1"]))
            logit = logit + linear(a, mlp["activity_kernel2"].T)[:, 0]
        if f"{CALIBRATOR}kernel1" in mlp:
            logit = calibrated(logit, activity, mlp)
        return logit
