"""A calibrator on top of Θ_t: what its logit and how active item and user were say together of a label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from metagen.generator import Model
from metagen.gru import glorot
from metagen.rates import rate
from metagen.settings import MetagenSettings
from metagen.window import GeneratorState
from trainer.adam import DenseAdam, zero_moments
from trainer.batches import Examples, permutation
from trainer.catalogue import Catalogue
from trainer.device import on_device
from trainer.model import Theta, calibrated, loss_of
from trainer.parts import CALIBRATOR
from trainer.score import logits_of

#: Hidden units: 289 weights with the six inputs of activity and the logit (method.md, the control).
UNITS = 32


class Calibrator:
    """Θ*_t = Θ_t and a net that adds to its logit; trained on D_t with the logits of Θ_{t-1}.

    Of the net, relu(C [f_item ; f_user ; logit] + c') by c + c'', c and c'' are zero at first, so that an
    untrained one is incremental update.
    """

    before = 0
    k = least = 1
    reads_activity = True

    def __init__(self, settings: MetagenSettings, batch: int, seed: int) -> None:
        self.settings, self.batch, self.seed = settings, batch, seed

    def initial(self, theta: Theta) -> GeneratorState:
        """The net, on the device of `theta`; no hidden states."""
        inputs = 7
        omega = {
            f"{CALIBRATOR}kernel1": glorot(self.seed, CALIBRATOR, (inputs, UNITS), inputs + UNITS),
            f"{CALIBRATOR}bias1": torch.zeros(UNITS),
            f"{CALIBRATOR}kernel2": torch.zeros(UNITS, 1),
            f"{CALIBRATOR}bias2": torch.zeros(1),
        }
        device = theta.tables["user"].device
        omega = {name: tensor.to(device) for name, tensor in omega.items()}
        return GeneratorState(omega, zero_moments(omega), {}, 0)

    def train(
        self, models: Sequence[Model], data: Sequence[Examples], catalogue: Catalogue, state: GeneratorState
    ) -> GeneratorState:
        """Trains on D_t alone, whose logits are computed once: Θ_{t-1} stays as it is."""
        theta, examples = models[-1].theta, data[-1]
        device = theta.tables["user"].device
        assert examples.activity is not None
        activity = on_device(examples.activity, device)
        logits = on_device(logits_of(theta, examples, catalogue), device)
        label = on_device(examples.label, device)
        omega = {name: tensor.clone() for name, tensor in state.omega.items()}
        moments = zero_moments(omega) if self.settings.moments == "fresh" else state.moments
        adam = DenseAdam(omega, moments, self.settings.learning_rate or rate(len(examples), self.batch))
        for epoch in range(self.settings.epochs):
            order = on_device(permutation(examples, self.seed, epoch), device)
            for rows in torch.split(order, self.batch):
                leaves = {name: tensor.detach().requires_grad_() for name, tensor in omega.items()}
                loss = loss_of(calibrated(logits[rows], activity[rows], leaves), label[rows])
                gradients = torch.autograd.grad(loss, list(leaves.values()))
                adam.step(dict(zip(leaves, gradients, strict=True)))
        return GeneratorState(omega, adam.moments(), {}, state.trained + 1)

    def generate(self, models: Sequence[Model], state: GeneratorState) -> Theta:
        """Θ_t with the net beside its MLP."""
        theta = models[-1].theta
        net: dict[str, Tensor] = {name: tensor.clone() for name, tensor in state.omega.items()}
        return replace(theta, tables=dict(theta.tables), mlp=theta.mlp | net)
