"""The calibrator on top of Θ_t."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from metagen.calibrator import Calibrator
from metagen.settings import MetagenSettings
from trainer.batches import make_batch, make_examples
from trainer.model import calibrated, forward
from trainer.score import score

SETTINGS = MetagenSettings(generator="iu-calibrated")


@pytest.fixture
def trained(random_period, loop):
    models, _, catalogue, _, _ = loop(
        [random_period(seed) for seed in range(4)], MetagenSettings(generator="average")
    )
    before = models[-2].activity
    seen = make_examples(random_period(3), catalogue, 4, 0, 1, before=before)
    return models, seen, catalogue


def test_it_is_a_net_of_289_weights_that_at_first_adds_nothing(trained):
    models, seen, catalogue = trained
    calibrator = Calibrator(SETTINGS, 16, 0)
    state = calibrator.initial(models[-2].theta)
    assert sum(one.numel() for one in state.omega.values()) == 289
    star, batch = calibrator.generate(models[-2:-1], state), make_batch(seen, catalogue)
    theta = models[-2].theta
    torch.testing.assert_close(
        forward(star.touched(batch), star.mlp, batch), forward(theta.touched(batch), theta.mlp, batch)
    )


def test_the_net_by_hand():
    net = {
        "calibrator_kernel1": torch.tensor([[1.0], [0], [0], [0], [0], [0], [2]]),
        "calibrator_bias1": torch.tensor([-0.5]),
        "calibrator_kernel2": torch.tensor([[3.0]]),
        "calibrator_bias2": torch.tensor([0.25]),
    }
    activity = torch.tensor([[1.0, 9, 9, 9, 9, 9], [-4.0, 9, 9, 9, 9, 9]])
    found = calibrated(torch.tensor([0.5, 1.0]), activity, net)
    # 0.5 + 3·(1 + 2·0.5 - 0.5) + 0.25, and 1 + 3·max(0, -4 + 2 - 0.5) + 0.25
    torch.testing.assert_close(found, torch.tensor([5.25, 1.25]))


def test_training_lowers_the_loss_and_changes_nothing_but_the_net(trained):
    models, seen, catalogue = trained
    calibrator = Calibrator(SETTINGS.model_copy(update={"epochs": 10}), 16, 0)
    state = calibrator.initial(models[-2].theta)
    before = score(calibrator.generate(models[-2:-1], state), seen, catalogue)
    for _ in range(8):
        state = calibrator.train(models[-2:-1], [seen], catalogue, state)
    star = calibrator.generate(models[-2:-1], state)
    assert score(star, seen, catalogue).logloss < before.logloss - 0.01
    for name, tensor in models[-2].theta.named().items():
        assert torch.equal(star.named()[name], tensor)
    assert state.trained == 8


def test_what_is_active_is_told_from_what_is_not(trained):
    models, seen, catalogue = trained
    calibrator = Calibrator(SETTINGS, 16, 0)
    state = calibrator.initial(models[-2].theta)
    for _ in range(3):
        state = calibrator.train(models[-2:-1], [seen], catalogue, state)
    star = calibrator.generate(models[-2:-1], state)
    other = replace(seen, activity=np.zeros_like(seen.activity))
    logits = [
        forward(star.touched(b), star.mlp, b) for b in (make_batch(one, catalogue) for one in (seen, other))
    ]
    assert not torch.allclose(*logits)
