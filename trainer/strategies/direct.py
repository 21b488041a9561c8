"""IU, BU-w and IncCTR: one update a period, on other data or other labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from trainer.adam import Moments
from trainer.batches import Examples
from trainer.model import Theta
from trainer.score import logits_of
from trainer.strategies.contract import Forgetful, Lesson
from trainer.update import update


class Incremental(Forgetful):
    """IU: Θ_{t-1} updated on D_t alone (eq. 1)."""

    def learn(self, lesson: Lesson) -> tuple[Theta, Moments]:
        """Θ_t."""
        return _updated(lesson, lesson.examples)


class Batches(Forgetful):
    """BU-w: Θ_{t-1} updated on D_{t-w+1..t} together, or on as many as there are (paper, 4.1.2)."""

    def __init__(self, periods: int) -> None:
        self.reach = periods

    def learn(self, lesson: Lesson) -> tuple[Theta, Moments]:
        """Θ_t."""
        return _updated(lesson, Examples.concat([*lesson.past, lesson.examples]))


class Distilled(Forgetful):
    """IncCTR: labels drawn towards what Θ_{t-1} says of D_t (paper, 4.1.2).

    (1 - λ)·CE(y) + λ·CE(p) is the cross entropy with (1 - λ)·y + λ·p in place of the label.
    """

    def learn(self, lesson: Lesson) -> tuple[Theta, Moments]:
        """Θ_t."""
        examples, share = lesson.examples, np.float32(lesson.settings.distillation)
        logits = torch.from_numpy(logits_of(lesson.theta, examples, lesson.catalogue))
        label = (1 - share) * examples.label + share * torch.sigmoid(logits).numpy()
        return _updated(lesson, replace(examples, label=label.astype(np.float32)))


def _updated(lesson: Lesson, examples: Examples) -> tuple[Theta, Moments]:
    return update(lesson.theta, lesson.moments, examples, lesson.catalogue, lesson.settings, lesson.seed)
