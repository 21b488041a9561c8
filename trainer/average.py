"""The moving average of the Θ: a kind of model of its own, which the gate lets serve where it is the best."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import torch
from torch import Tensor

from trainer.leaving import Moved, Stay
from trainer.model import Theta, grown
from trainer.parts import Parts, column
from trainer.periods import BaseModel, Period
from trainer.score import Score, score
from trainer.snapshot import model_parts, read_theta


def averaged(average: Tensor, newest: Tensor, decay: float) -> Tensor:
    """β average + (1 - β) newest, β being the decay."""
    return torch.lerp(average, newest, 1 - decay)


class Average:
    """β Θ̄_{t-1} + (1 - β) Θ_t from Θ̄_1 = Θ_1 on (Polyak's average, with forgetting).

    A row that is new counts with its initial vector before, as if it had always had it.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.theta: Theta | None = None
        self.taken = 0  # models

    def restore(self, parts: Parts, taken: int, base: BaseModel) -> None:
        """Go on from these parts, an average of so many models, of the period that `base` is at."""
        self.theta, self.taken = read_theta(parts, base.settings).to(base.device), taken
        users = base.catalogue.users
        if users.buckets is None:
            ids = column(parts["user"], "id").to_pylist()
            moved = Moved.between(ids, users.ids, base.settings, base.seed)
            self.theta = moved.theta(self.theta) if moved else self.theta

    def keep(self, stay: Stay | None) -> None:
        """Told, before anything else of a period, who stayed at its start; None: all."""
        if self.theta is not None and stay is not None:
            self.theta = stay.theta(self.theta)

    def score(self, base: BaseModel, period: Period) -> Score | None:
        """Prequential AUC and LogLoss of Θ̄_{t-1} on D_t, which `base` has read; None where there is none."""
        if self.theta is None:
            return None
        self.theta = grown(self.theta, base.catalogue.columns(), base.settings, base.seed)
        return score(self.theta, period.examples, base.catalogue)

    def take(self, base: BaseModel) -> dict[str, pa.Table]:
        """Θ_t, which `base` has learnt, taken in: the parts of Θ̄_t."""
        newest = base.snapshot.theta
        if self.theta is None:
            self.theta = newest
        else:
            before = grown(self.theta, base.catalogue.columns(), base.settings, base.seed).named()
            now = {name: averaged(before[name], one, self.decay) for name, one in newest.named().items()}
            tables = {name: now[name] for name in newest.tables}
            self.theta = replace(newest, tables=tables, mlp={name: now[name] for name in newest.mlp})
        self.taken += 1
        activity = base.snapshot.activity if base.settings.strategy == "iu-activity" else None
        return model_parts(self.theta, base.catalogue, activity)
