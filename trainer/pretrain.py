"""Θ_0: the first periods shuffled together and learnt at once, for as many epochs as a tail says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch

from stream.samples import Samples
from trainer.activity import activity_after
from trainer.adam import Moments, grown_moments
from trainer.batches import Examples
from trainer.model import Theta
from trainer.periods import BaseModel, Period
from trainer.score import score
from trainer.settings import TrainerSettings
from trainer.snapshot import Snapshot
from trainer.update import update

#: Epochs there may be, and how many without gain on the tail end the search.
EPOCHS, PATIENCE = 10, 2


def pretrained(
    settings: TrainerSettings, seed: int, device: torch.device, periods: Sequence[Samples], first: int = 1
) -> tuple[BaseModel, int]:
    """The model as after the last of these P periods, and its epochs.

    Their number is the one after which a model of the first P - 1 has the lowest LogLoss on the last; then
    all P are learnt anew for as many. Nothing after them is looked at. A single period is learnt once.
    first: number of the first period; no period may have the number 0, which stands for none in activity.
    """
    epochs = 1 if len(periods) < 2 else _epochs(settings, seed, device, periods, first)
    model, read = _begun(settings, seed, device, periods, first)
    theta, moments = model.snapshot.theta, model.snapshot.moments
    data = Examples.concat([one.examples for one in read])
    for epoch in range(epochs):
        theta, moments = _epoch(model, theta, moments, data, epoch)
    model.snapshot = Snapshot(theta, moments, model.snapshot.activity)
    model.strategy.pretrained(data)
    return model, epochs


def examples_of(
    settings: TrainerSettings, seed: int, device: torch.device, periods: Sequence[Samples]
) -> Examples:
    """What `pretrained` trains Θ_0 on, for a strategy that begins with another's."""
    _, read = _begun(settings, seed, device, periods, 1)
    return Examples.concat([one.examples for one in read])


def _epochs(
    settings: TrainerSettings, seed: int, device: torch.device, periods: Sequence[Samples], first: int
) -> int:
    """The epoch that is best on the last of the periods."""
    model, read = _begun(settings, seed, device, periods, first)
    theta, moments = model.snapshot.theta, model.snapshot.moments
    data, tail = Examples.concat([one.examples for one in read[:-1]]), read[-1].examples
    best, lowest = 1, math.inf
    for epoch in range(EPOCHS):
        theta, moments = _epoch(model, theta, moments, data, epoch)
        reached = score(theta, tail, model.catalogue).logloss
        if reached < lowest:
            best, lowest = epoch + 1, reached
        elif epoch + 1 - best >= PATIENCE:
            break
    return best


def _begun(
    settings: TrainerSettings, seed: int, device: torch.device, periods: Sequence[Samples], first: int
) -> tuple[BaseModel, list[Period]]:
    """An untrained model that has read all periods, with their activity.

    No id leaves among them, however long it is idle: they are learnt at once.
    """
    model = BaseModel.begin(settings, seed, device, periods[0])
    model.settings = settings.model_copy(update={"forget_after": None})
    read = []
    for number, samples in enumerate(periods, start=first):
        read.append(model.read(number, samples))
        now = model.snapshot
        activity = activity_after(samples, model.catalogue, number, now.activity)
        model.snapshot = Snapshot(now.theta, grown_moments(now.moments, now.theta.named()), activity)
    model.settings = settings
    return model, read


def _epoch(
    model: BaseModel, theta: Theta, moments: Moments, data: Examples, epoch: int
) -> tuple[Theta, Moments]:
    """One pass over the data in an order that (seed, epoch) determine; moments last from epoch to epoch."""
    kept = "carried" if model.settings.moments == "fresh" else model.settings.moments
    once = model.settings.model_copy(update={"epochs": 1, "moments": kept})
    return update(theta, moments, replace(data, period=-1 - epoch), model.catalogue, once, model.seed)
