"""Prequential scores: how well a model of the period before meets D_t."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import log_loss, roc_auc_score

from trainer.batches import Examples, batches
from trainer.catalogue import Catalogue
from trainer.model import Theta, forward

#: Examples scored at a time: keeps what a chunk needs within the processor's cache.
CHUNK = 4096


@dataclass(frozen=True)
class Score:
    """AUC, None where it is undefined (one label only, or a score that is not finite); LogLoss in nats."""

    auc: float | None
    logloss: float

    @property
    def finite(self) -> bool:
        """Whether the LogLoss is a number to compare by."""
        return math.isfinite(self.logloss)


def logits_of(theta: Theta, examples: Examples, catalogue: Catalogue) -> npt.NDArray[np.float32]:
    """[n] logits; Θ must have the catalogue's rows (`model.grown`)."""
    device = theta.tables["user"].device
    with torch.inference_mode():
        chunks = [
            forward(theta.touched(batch), theta.mlp, batch, theta.own).cpu().numpy()
            for batch in batches(examples, catalogue, CHUNK, device)
        ]
    return np.concatenate([*chunks, np.zeros(0, np.float32)])


def score_logits(logits: npt.NDArray[np.float32], label: npt.NDArray[np.float32]) -> Score:
    """AUC and LogLoss of logits; a logit that is not finite makes AUC None and LogLoss infinite.

    No example at all: AUC None and LogLoss infinite too.
    """
    if len(logits) == 0 or not np.isfinite(logits).all():
        return Score(None, math.inf)
    exact = logits.astype(np.float64)
    auc = float(roc_auc_score(label, exact)) if 0 < label.sum() < len(label) else None
    return Score(auc, float(log_loss(label, 1 / (1 + np.exp(-np.clip(exact, -700, 700))), labels=[0, 1])))


def score(theta: Theta, examples: Examples, catalogue: Catalogue) -> Score:
    """AUC and LogLoss of a model on D_t."""
    return score_logits(logits_of(theta, examples, catalogue), examples.label)
