from functools import partial

import numpy as np
import pytest
import torch
from arrow_parts import loaded, stored

from metagen.generators import generator_of
from metagen.multi import Gru
from metagen.periods import MetaModel, PastPeriod
from metagen.settings import MetagenSettings
from stream.errors import ConfigurationError
from trainer.periods import BaseModel
from trainer.settings import TrainerSettings

CPU = torch.device("cpu")
CASES = [
    (
        TrainerSettings(embedding=8, batch=16, user_rows="hash:9", strategy="iu"),
        MetagenSettings(generator="asmg-gru-multi"),
    ),
    (
        TrainerSettings(embedding=8, batch=16, moments="lazy", strategy="iu"),
        MetagenSettings(generator="asmg-gru-multi", k=2, residual=False, gate_biases=True),
    ),
    (
        TrainerSettings(embedding=8, batch=16, item_rows="hash:7", strategy="iu"),
        MetagenSettings(generator="asmg-gru-multi", moments="fresh", k=1),
    ),
    (
        TrainerSettings(embedding=8, batch=16, user_rows="hash:9", strategy="iu"),
        MetagenSettings(generator="asmg-plus", k=2),
    ),
    (
        TrainerSettings(embedding=8, batch=16, strategy="iu-activity", user_rows="hash:9"),
        MetagenSettings(generator="asmg-plus", k=2),
    ),
    (
        TrainerSettings(embedding=8, batch=16, strategy="iu-activity"),
        MetagenSettings(generator="asmg-gru-multi", k=2),
    ),
    (TrainerSettings(embedding=8, batch=16, strategy="iu"), MetagenSettings(generator="asmg-gru-single")),
    (TrainerSettings(embedding=8, batch=16, strategy="iu"), MetagenSettings(generator="asmg-gru-full")),
    (
        TrainerSettings(embedding=8, batch=16, moments="lazy", strategy="iu"),
        MetagenSettings(generator="asmg-gru-full", full_k=3),
    ),
    (TrainerSettings(embedding=8, batch=16, strategy="iu"), MetagenSettings(generator="asmg-gru-zero", k=2)),
    (
        TrainerSettings(embedding=8, batch=16, item_rows="hash:7", strategy="iu"),
        MetagenSettings(generator="asmg-gru-unif"),
    ),
    (TrainerSettings(embedding=8, batch=16, strategy="iu"), MetagenSettings(generator="asmg-linear")),
    (
        TrainerSettings(embedding=8, batch=16, moments="lazy", strategy="iu"),
        MetagenSettings(generator="average", k=2),
    ),
    (TrainerSettings(embedding=8, batch=16, strategy="iu"), MetagenSettings(generator="ema", decay=0.7)),
    (
        TrainerSettings(embedding=8, batch=16, user_rows="hash:9", strategy="iu"),
        MetagenSettings(generator="iu-calibrated"),
    ),
    (
        TrainerSettings(embedding=8, batch=16, strategy="iu-activity"),
        MetagenSettings(generator="iu-calibrated"),
    ),
]


def run(periods, trainer, metagen, restart=()):
    """Parts and scores of every period; both workers forget everything before each period in `restart`."""
    generator = generator_of(metagen, trainer.batch, 3)
    fresh = partial(MetaModel, generator, trainer, 3, metagen.hidden_size, CPU)
    base, meta = BaseModel.begin(trainer, 3, CPU, periods[0]), fresh()
    thetas, stars, scores = {}, {}, []
    for number, samples in enumerate(periods, start=1):
        if number in restart:
            base = BaseModel.restore(trainer, 3, CPU, loaded(thetas[number - 1]))
            meta = fresh()
            past = range(max(1, number - meta.reach), number)
            meta.restore(
                [PastPeriod(one, periods[one - 1], loaded(thetas[one])) for one in past],
                loaded(stars[number - 1]) if number - 1 in stars else None,
            )
        period = base.read(number, samples)
        scores.append((base.score(period), None))
        base.learn(period)
        thetas[number] = stored(base.parts())
        meta.read(number, samples)
        scores[-1] = (scores[-1][0], meta.score())
        meta.train()
        parts = meta.generate(loaded(thetas[number]))
        if parts is not None:
            stars[number] = stored(parts)
    return thetas, stars, scores


@pytest.mark.parametrize(("trainer", "metagen"), CASES)
def test_workers_restarted_before_any_period_make_the_same_bytes(random_period, trainer, metagen):
    periods = [random_period(seed, items=12 + 6 * seed, categories=3) for seed in range(7)]
    whole = run(periods, trainer, metagen)
    assert run(periods, trainer, metagen, restart=range(2, 8)) == whole
    generator = generator_of(metagen, trainer.batch, 3)
    first = generator.least + generator.before + 1
    assert sorted(whole[1]) == list(range(first, 8))


def test_a_growing_window_gets_as_many_period_sets_as_it_has_models(random_period):
    trainer, metagen, given = (
        TrainerSettings(embedding=8, batch=16, strategy="iu"),
        MetagenSettings(generator="asmg-gru-full", full_k=3),
        [],
    )
    generator = generator_of(metagen, 16, 3)

    def train(models, data, catalogue, state):
        given.append(([one.period for one in models], [one.period for one in data]))
        return state

    generator.train = train
    meta = MetaModel(generator, trainer, 3, metagen.hidden_size, CPU)
    base = BaseModel.begin(trainer, 3, CPU, random_period(1))
    for number in range(1, 6):
        samples = random_period(number)
        base.learn(base.read(number, samples))
        meta.read(number, samples)
        meta.train()
        meta.generate(base.parts())
    assert given == [([1], [2]), ([1, 2], [2, 3]), ([1, 2, 3], [2, 3, 4]), ([2, 3, 4], [3, 4, 5])]


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ({"generator": "average"}, {"generator": "ema"}),
        ({"generator": "asmg-linear", "k": 2}, {"generator": "asmg-linear", "k": 3}),
        ({"generator": "asmg-gru-multi"}, {"generator": "asmg-linear"}),
    ],
)
def test_a_state_of_another_form_is_refused_with_the_settings_to_mend(random_period, was, now):
    trainer, was, now = (
        TrainerSettings(embedding=8, batch=16, strategy="iu"),
        MetagenSettings(**was),
        MetagenSettings(**now),
    )
    periods = [random_period(seed) for seed in range(4)]
    thetas, stars, _ = run(periods, trainer, was)
    meta = MetaModel(generator_of(now, 16, 3), trainer, 3, now.hidden_size, CPU)
    past = [PastPeriod(one, periods[one - 1], loaded(thetas[one])) for one in (2, 3, 4)]
    with pytest.raises(ConfigurationError, match=r"another form: keep metagen.generator, metagen.k"):
        meta.restore(past, loaded(stars[4]))


def test_generated_models_are_scored_from_the_period_after_the_first(random_period):
    trainer, metagen = CASES[0]
    _, _, scores = run([random_period(seed) for seed in range(6)], trainer, metagen)
    assert [star is not None for _, star in scores] == [False] * 4 + [True] * 2


def test_a_generator_starts_no_earlier_than_its_first_full_window(random_period):
    trainer, metagen = CASES[0]
    meta = MetaModel(Gru(metagen, 16, 3), trainer, 3, metagen.hidden_size, CPU)
    base = BaseModel.begin(trainer, 3, CPU, random_period(1))
    for number in range(1, 6):
        samples = random_period(number)
        base.learn(base.read(number, samples))
        meta.read(number, samples)
        assert meta.train() == (number > 3)
        assert (meta.generate(base.parts()) is None) == (number <= 3)
        assert meta.trained == max(0, number - 3)


def test_scores_of_a_model_given_by_its_parts_are_finite_on_the_next_period(random_period):
    trainer, metagen = CASES[2]
    _, _, scores = run([random_period(seed) for seed in range(6)], trainer, metagen)
    assert all(np.isfinite(theta.logloss) and (star is None or star.finite) for theta, star in scores)
