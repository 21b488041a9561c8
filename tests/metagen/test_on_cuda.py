"""What learns on CUDA learns what it learns on a CPU, and no batch has the host wait for the device.

Skipped wherever there is none: `python -m pytest tests/metagen/test_on_cuda.py` on a machine that has one.
"""

from functools import wraps
from typing import get_args

import numpy as np
import pytest
import torch

from metagen.generators import generator_of
from metagen.periods import MetaModel
from metagen.settings import Generator, MetagenSettings
from trainer.adam import DenseAdam
from trainer.device import on_device
from trainer.periods import BaseModel
from trainer.settings import Strategy, TrainerSettings
from trainer.update import _Steps

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA here")

CPU, CUDA = torch.device("cpu"), torch.device("cuda")

#: How far AUC and LogLoss may lie apart: there sums are added up in another order.
ALIKE = 2e-3

MULTI = MetagenSettings(generator="asmg-gru-multi", k=2)


@pytest.fixture
def periods(random_period):
    return [random_period(seed, items=12 + 6 * seed, categories=3) for seed in range(6)]


def run(periods, trainer, metagen, device):
    """AUC and LogLoss of Θ and of Θ* on each period; NaN where there is no Θ*."""
    generator = generator_of(metagen, trainer.batch, 3)
    base = BaseModel.begin(trainer, 3, device, periods[0])
    meta = MetaModel(generator, trainer, 3, metagen.hidden_size, device)
    found = []
    for number, samples in enumerate(periods, start=1):
        period = base.read(number, samples)
        meta.read(number, samples)
        found += [base.score(period), meta.score()]
        base.learn(period)
        meta.train()
        meta.generate(base.parts())
    return np.array([(one.auc, one.logloss) if one else (np.nan, np.nan) for one in found])


def alike(periods, trainer, metagen):
    there, here = (run(periods, trainer, metagen, device) for device in (CUDA, CPU))
    assert np.isfinite(here[-2:]).all()
    np.testing.assert_allclose(there, here, atol=ALIKE, rtol=0)


@pytest.mark.parametrize("generator", get_args(Generator))
def test_every_generator(periods, generator):
    trainer = TrainerSettings(batch=16, strategy="iu-activity")
    alike(periods, trainer, MetagenSettings(generator=generator, k=2))


@pytest.mark.parametrize("strategy", get_args(Strategy))
def test_every_strategy_of_the_base(periods, strategy):
    alike(periods, TrainerSettings(batch=16, strategy=strategy), MetagenSettings(generator="average", k=2))


@pytest.mark.parametrize("moments", ["lazy", "fresh"])
def test_other_moments(periods, moments):
    alike(periods, TrainerSettings(batch=16, strategy="iu", moments=moments), MULTI)


def test_ids_that_leave(periods):
    trainer = TrainerSettings(batch=16, forget_after=2)
    alike(periods, trainer, MetagenSettings(generator="asmg-plus", k=2))


def test_a_base_of_ones_own_with_what_it_holds_beside_parameters(periods):
    alike(periods, TrainerSettings(batch=16, strategy="iu", base="own_models:Session"), MULTI)


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@pytest.mark.parametrize("generator", ["asmg-plus", "asmg-gru-multi", "asmg-linear"])
def test_no_batch_has_the_host_wait(periods, generator, monkeypatch):
    """torch raises where the host would wait, in all that a batch goes through but the batch's own making."""
    for owner, name in ((_Steps, "take"), (DenseAdam, "step"), (torch.autograd, "grad")):
        monkeypatch.setattr(owner, name, strict(getattr(owner, name)))
    for module in ("trainer.batches", "metagen.joint"):
        monkeypatch.setattr(f"{module}.on_device", strict(on_device))
    run(periods, TrainerSettings(batch=16), MetagenSettings(generator=generator, k=2), CUDA)


def strict(function):
    @wraps(function)
    def call(*args, **more):
        before = torch.cuda.get_sync_debug_mode()
        torch.cuda.set_sync_debug_mode("error")
        try:
            return function(*args, **more)
        finally:
            torch.cuda.set_sync_debug_mode(before)

    return call
