"""Shadows beside what serves: scored on every period, the same bits however they were killed."""

import pytest
from memory_broker import PERIODS, TOPICS
from worker_threads import run_until

from metagen.methods import named
from metagen.settings import MetagenSettings
from metagen.shadow import shadow
from metagen.worker import generate
from stream.errors import ConfigurationError
from stream.records import Announcement, Shadow
from trainer.settings import TrainerSettings
from trainer.worker import train

METAGEN = MetagenSettings(metrics_port=0, tau=1, k=2)


def trainer(*shadows, **more):
    ports = {"metrics_port": 0, "shadow_metrics_port": 0}
    return TrainerSettings(embedding=8, batch=16, user_rows="hash:9", shadow=shadows, **ports, **more)


def run(place, broker, settings, metagen=METAGEN, *, beside=()):
    """The shadows, and workers beside them, until all have taken in all periods or one was killed."""
    jobs = [(shadow, settings, metagen), *((work, settings, *more) for work, *more in beside)]
    wanted = {("star" if work is generate else "theta", PERIODS) for work, *_ in beside}

    def through():
        there = {(one.name, one.version) for one in broker.records(TOPICS.shadows, Shadow)}
        models = {(one.kind, one.version) for one in broker.records(TOPICS.models, Announcement)}
        return {(name, PERIODS) for name in settings.shadow} <= there and wanted <= models

    return run_until(place, *jobs, holds=through)


def outcome(broker):
    found = {}
    for one in broker.records(TOPICS.shadows, Shadow):
        found.setdefault((one.name, one.version), (one.parts, one.score, one.trained))
    return found


def test_every_shadow_is_scored_on_every_period_from_the_one_after_its_first_model(shop):
    broker, place = shop
    assert run(place, broker, trainer("iu", "asmg-gru-multi", "bu-3")) == []
    found = outcome(broker)
    assert found.keys() == {(name, t) for name in ("iu", "asmg-gru-multi", "bu-3") for t in range(1, 7)}
    assert all(found["iu", t][1] is not None for t in range(2, 7))
    assert [found["asmg-gru-multi", t][1] is not None for t in range(1, 7)] == [False] * 3 + [True] * 3
    assert [found["asmg-gru-multi", t][2] for t in range(1, 7)] == [0, 0, 1, 2, 3, 4]
    assert found["iu", 6][1] != found["bu-3", 6][1]


def test_a_shadow_is_the_model_that_would_serve_if_it_were_named(shop):
    broker, place = shop
    settings = trainer("asmg-gru-multi", "iu", strategy="iu-activity")
    assert run(place, broker, settings) == []
    shadows = outcome(broker)
    served, multi = trainer(strategy="iu"), METAGEN.model_copy(update={"generator": "asmg-gru-multi"})
    workers = [(train,), (generate, multi)]
    broker.topics[TOPICS.shadows].clear()
    run(place, broker, served.model_copy(update={"shadow": ("ema",)}), multi, beside=workers)
    models = {(one.kind, one.version): one for one in broker.records(TOPICS.models, Announcement)}
    for t in range(1, 6):
        assert models["theta", t].parts == shadows["iu", t][0]
        assert models["theta", t].score == shadows["iu", t][1]
        if ("star", t) in models:
            assert models["star", t].parts == shadows["asmg-gru-multi", t][0]
    assert ("star", 4) in models


@pytest.mark.parametrize("writes", [0, 3, 8])
@pytest.mark.parametrize("when", ["before", "after"])
def test_shadows_killed_at_a_write_and_restarted_come_to_the_same_models(shop, writes, when):
    broker, place = shop
    settings = trainer("iu", "asmg-gru-multi", "bu-3", "asmg-plus-activity", strategy="iu")
    assert run(place, broker, settings) == []
    undisturbed = outcome(broker)
    broker.topics[TOPICS.shadows].clear()
    broker.dies = {TOPICS.shadows: (writes, when)}
    assert run(place, broker, settings) == [shadow]
    broker.dies = {}
    assert run(place, broker, settings) == []
    assert outcome(broker) == undisturbed


def test_a_shadow_that_was_named_later_begins_with_the_first_period(shop):
    broker, place = shop
    assert run(place, broker, trainer("iu")) == []
    assert run(place, broker, trainer("iu", "asmg-linear")) == []
    announced = [(one.name, one.version) for one in broker.records(TOPICS.shadows, Shadow)]
    assert announced == [("iu", t) for t in range(1, 7)] + [("asmg-linear", t) for t in range(1, 7)]


def test_a_generator_on_the_base_that_serves_reads_what_the_trainer_announces(shop):
    broker, place = shop
    settings = trainer("asmg-linear-activity", strategy="iu-activity")
    assert run(place, broker, settings, beside=[(train,)]) == []
    assert {one.name for one in broker.records(TOPICS.shadows, Shadow)} == {"asmg-linear-activity"}


def test_a_name_nobody_has_is_refused_with_those_there_are():
    with pytest.raises(ConfigurationError, match="there is no method 'iu-best'; there are iu, iu-activity"):
        named("iu-best", TrainerSettings(), MetagenSettings())
    on = named("ema-activity", TrainerSettings(), MetagenSettings())
    assert (on.trainer.strategy, on.metagen.generator) == ("iu-activity", "ema")
    assert named("bu-5", TrainerSettings(), MetagenSettings()).metagen is None
