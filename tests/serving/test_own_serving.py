"""A base model of one's own answers as the trainer scores: Θ, and what generators make of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from serving_factory import SEED, Factory, load, opened
from test_model import ids

from metagen.generators import generator_of
from metagen.periods import MetaModel
from metagen.settings import MetagenSettings
from serving.model import Model
from stream.errors import ConfigurationError, CorruptArtefact
from stream.samples import Samples
from trainer.model import Theta, grown
from trainer.periods import BaseModel
from trainer.score import logits_of
from trainer.settings import TrainerSettings

DCN, DIN = "examples.dcn:DCN", "own_models:Din"


def settings_of(base: str, **more: Any) -> TrainerSettings:
    return TrainerSettings(base=base, embedding=4, batch=16, **more)


def assert_scored_alike(model: Model, theta: Theta, base: BaseModel, samples: Samples) -> None:
    """The model gives the samples of period 5 what the trainer gives them, ids that it lacks included."""
    examples = base.read(5, samples).examples
    theta = grown(theta, base.catalogue.columns(), base.settings, SEED)
    expected, unknown = logits_of(theta, examples, base.catalogue), 0
    for row in range(len(samples)):
        user, item, history, categories = ids(samples, row)
        scores = model.score(user, history, [item], {item: categories} if categories else {})
        np.testing.assert_allclose(scores.logits[0], expected[row], rtol=1e-5, atol=1e-5)
        unknown += scores.unknown_items
    assert unknown


@pytest.mark.parametrize("generator", [None, "asmg-plus", "asmg-gru-multi", "iu-calibrated"])
@pytest.mark.parametrize("categories", [0, 4])
@pytest.mark.parametrize("base", [DCN, DIN])
def test_scores_are_those_that_training_gives(
    random_period: Callable[..., Samples], base: str, categories: int, generator: Any
) -> None:
    settings, device = settings_of(base), torch.device("cpu")
    metagen = MetagenSettings(generator=generator or "asmg-plus", k=2)
    meta = MetaModel(generator_of(metagen, 16, SEED), settings, SEED, metagen.hidden_size, device)
    mine: BaseModel | None = None
    for number in range(1, 5):
        samples = random_period(number, categories=categories)
        mine = mine or BaseModel.begin(settings, SEED, device, samples)
        mine.learn(mine.read(number, samples))
        parts = mine.parts()
        if generator is not None:
            meta.read(number, samples)
            meta.train()
            parts = meta.generate(parts) or parts
    assert mine is not None
    theta = mine.snapshot.theta if generator is None else meta.star
    assert theta is not None
    model = opened(dict(parts), settings, version=4)
    assert_scored_alike(model, theta, mine, random_period(8, rows=40, users=200, items=300))


def test_many_candidates_are_scored_as_one_by_one_and_the_best_are_found(factory: Factory) -> None:
    for base in (DCN, DIN):
        factory.settings, factory.base, factory.read = settings_of(base), None, []
        factory.next()
        model = opened(factory.parts("theta"), factory.settings)
        candidates = ["never", *model.catalogue.items.names.to_pylist()]
        history = candidates[3:6]
        together = model.score("u1", history, candidates).logits
        alone = [model.score("u1", history, [one]).logits[0] for one in candidates]
        np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)
        assert np.isfinite(model.score("stranger", [], candidates).logits).all()
        *_, best = model.search("u1", history, 3)
        assert best is not None
        logits = dict(zip(candidates, together.tolist(), strict=True))
        others = [one for one in candidates[1:] if one not in history]
        assert best.items == sorted(others, key=lambda one: -logits[one])[:3]


def test_a_model_of_another_base_is_refused_and_the_setting_named(factory: Factory) -> None:
    factory.settings = settings_of(DCN)
    announced = factory.next()
    for made_with, here in ((DCN, None), (DCN, DIN), (None, DCN)):
        settings = {"trainer": {"base": made_with}}
        record = msgspec.structs.replace(announced, settings=settings)
        with pytest.raises(ConfigurationError, match=r"^trainer.base .* but theta/1 was made with .*: keep"):
            load(factory.store, record, factory.settings.model_copy(update={"base": here}))


def test_a_model_whose_tensors_are_not_the_bases_is_refused(factory: Factory) -> None:
    factory.settings = settings_of(DCN)
    factory.next()
    with pytest.raises(ConfigurationError, match=r"own_models:Fine is not what the stored model"):
        opened(factory.parts("theta"), settings_of("own_models:Fine"))
    wider = factory.settings.model_copy(update={"embedding": 5})
    with pytest.raises((ConfigurationError, CorruptArtefact), match="5 wide here"):
        opened(factory.parts("theta"), wider)
