"""One user's side of the base model, worked out once: what is left of it for each candidate is small.

`trainer.model.forward` takes any batch of examples. Here user and history are the same for all candidates, so
of the first layer all that they enter alone is a constant, and the products with a candidate's vector are one
more matrix that is added to the kernel:

    [u|s|v]·K + b + [s∘v|u∘v|l∘v]·P
        = (u·K_u + s·K_s + b) + v·(K_v + diag(s)·P_s + diag(u|0)·P_u + diag(l)·P_l)

In numpy: the arrays are small, and each operation of torch costs as much as three of these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.parts import CALIBRATOR, POOLING_EPSILON, PRODUCTS

Floats = npt.NDArray[np.float32]

#: A base model of one's own (serving/own.py): from a user's vector and a history's vectors [h, w] to what
#: gives logits [n] of candidates' vectors [n, w].
Own = Callable[[Floats, Floats], Callable[[Floats], Floats]]


@dataclass(frozen=True, eq=False)
class Items:
    """n items as the model reads them."""

    vectors: Floats  # [n, w] an item's vector and its categories' mean
    bias: Floats | None  # [n] where the table has a bias slot
    activity: Floats | None  # [n, 3] where the model reads how active they were

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
        self,
        mlp: Mapping[str, Floats],
        user: Floats,
        history: Items,
        activity: Floats | None,
        width: int,
        own: Own | None = None,
    ) -> None:
        """user: [e] or, with a bias slot, [e + 1]. activity: [3] the user's. width: e."""
        self._mlp, self._user, self._activity = mlp, user, activity
        self._bias = user[width] if len(user) > width else None
        self._own = None if own is None else own(user[:width], history.vectors)
        if own is not None or "kernel1" not in mlp:
            return
        h, w = history.vectors.shape
        u = user[:width]
        s = history.vectors.sum(0) * np.float32(1.0 / (h + POOLING_EPSILON))  # [w]
        kernel = mlp["kernel1"]
        self._constant = np.concatenate([u, s]) @ kernel[: width + w] + mlp["bias1"]  # [l1]
        self._kernel = kernel[width + w :]  # [w, l1]
        if PRODUCTS in mlp:
            of_s, of_u, of_l = np.split(mlp[PRODUCTS], [w, w + width])
            self._kernel = self._kernel + s[:, None] * of_s
            self._kernel[:width] += u[:, None] * of_u
            if h:
                self._kernel += history.vectors[0][:, None] * of_l

    def logits(self, items: Items) -> Floats:
        """[n] the logits of candidates."""
        mlp = self._mlp
        if self._own is None and "kernel1" not in mlp:
            assert items.bias is not None
            factorised: Floats = items.vectors @ self._user[:-1]
            factorised += self._user[-1] + items.bias + mlp["bias"]
            return factorised
        logit = self._of_mlp(items.vectors) if self._own is None else self._own(items.vectors)  # [n]
        if self._bias is not None and items.bias is not None:
            logit += items.bias + self._bias
        if self._activity is None or items.activity is None:
            return logit
        activity = np.empty((len(logit), 6), np.float32)
        activity[:, :3], activity[:, 3:] = items.activity, self._activity
        if "activity_kernel1" in mlp:
            a = _layer(activity, mlp["activity_kernel1"], mlp["activity_bias1"])
            logit += a @ mlp["activity_kernel2"][:, 0]
        if f"{CALIBRATOR}kernel1" in mlp:
            kernel1, bias1, kernel2, bias2 = (
                mlp[f"{CALIBRATOR}{name}"] for name in ("kernel1", "bias1", "kernel2", "bias2")
            )
            a = _layer(np.concatenate([activity, logit[:, None]], axis=1), kernel1, bias1)
            logit += a @ kernel2[:, 0] + bias2
        return logit

    def _of_mlp(self, vectors: Floats) -> Floats:
        mlp = self._mlp
        x = _layer(vectors, self._kernel, self._constant)  # [n, l1]
        x = _layer(x, mlp["kernel2"], mlp["bias2"])  # [n, l2]
        logit: Floats = x @ mlp["kernel3"][:, 0] + mlp["bias3"]
        return logit


def _layer(x: Floats, kernel: Floats, bias: Floats) -> Floats:
    """[n, units] relu(x K + b)."""
    y: Floats = x @ kernel
    y += bias
    np.maximum(y, 0, out=y)
    return y
