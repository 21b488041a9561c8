"""Where manifest 0 names a history, everybody begins with the Θ_0 that is pre-trained on it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from memory_broker import TOPICS
from worker_threads import run_until

from metagen.methods import named
from metagen.rebuild import rebuild
from metagen.settings import MetagenSettings
from metagen.shadow import shadow
from metagen.worker import generate
from stream.close.cut import periods_in
from stream.records import Announcement, Manifest, Serve, Shadow, encode
from trainer.announced import Announced
from trainer.kafka import get_all
from trainer.lineage import chain
from trainer.pretrain import pretrained
from trainer.settings import TrainerSettings
from trainer.snapshot import read_catalogue, read_snapshot
from trainer.worker import train

TRAINER = TrainerSettings(
    embedding=4, batch=16, metrics_port=0, shadow_metrics_port=0, strategy="iu-activity"
)
METAGEN = MetagenSettings(metrics_port=0, k=2, tau=1)
#: Samples of a period, periods that D_0 is made of, and those after it.
ROWS, BEFORE, LAST = 60, 3, 4


@pytest.fixture
def warm(shop, random_period):
    """The shop, whose manifest 0 names a history."""
    broker, place = shop
    broker.topics.clear()
    parent = ""
    for period in range(LAST + 1):
        history = {"reason": "history", "settings": {"period_count": ROWS, "period_span": None}}
        rest = {"count": ROWS, **({"reason": "count"} if period else history)}
        manifest = Manifest(period=period, parent=parent, **rest)
        parent = manifest.hash()
        broker.write(TOPICS.periods, encode(manifest))

    def read(manifest):
        if not manifest.period:
            return random_period(0, ROWS * BEFORE, users=40, items=60, categories=3)
        return random_period(manifest.period, ROWS, items=10 + 5 * manifest.period, categories=3)

    return broker, replace(place, read=read)


def learn(broker, place, trainer=TRAINER):
    """Trainer and metagen, until the gate has decided on the last period."""
    workers = (train, trainer), (generate, trainer, METAGEN)
    return run_until(place, *workers, holds=lambda: len(broker.records(TOPICS.serve, Serve)) >= LAST)


def announced(broker):
    found = Announced(TOPICS)
    for topic in (TOPICS.periods, TOPICS.models, TOPICS.serve):
        for value in broker.topics[topic]:
            found.take(topic, value)
    return found


def test_theta_0_is_what_pre_training_on_the_periods_of_d_0_makes(warm):
    broker, place = warm
    assert learn(broker, place) == []
    found = announced(broker)
    first = found.models["theta", 0]
    assert first.parents == {"period/0": found.manifests[0].hash()}
    assert first.score is None
    parts = get_all(place.store, first)
    d_0 = periods_in(place.read(found.manifests[0]), ROWS, None)
    assert len(d_0) == BEFORE
    expected, _ = pretrained(TRAINER, place.seed, torch.device("cpu"), d_0, first=-BEFORE)
    assert parts == expected.parts()
    catalogue = read_catalogue(get_all(place.store, found.models["star", LAST]), TRAINER)
    known = read_catalogue(parts, TRAINER).items.ids
    assert catalogue.items.ids[: len(known)] == known
    for version in (0, 1):
        activity = read_snapshot(get_all(place.store, found.models["theta", version]), TRAINER).activity
        last = activity["item"].last_seen
        assert set(np.unique(last)) <= {-3, -2, -1, 0, 1}  # 0: named in histories alone
        assert np.all((last == 1) == ((activity["item"].impressions > 0) & (version == 1)))
    links = list(chain(found, found.models["star", LAST]))
    assert all(one.holds for one in links)
    assert ("theta/1", "theta/0") in {(one.child, one.parent) for one in links}
    assert ("theta/0", "period/0") in {(one.child, one.parent) for one in links}
    for model in found.models.values():
        assert rebuild(place, found, model).differing == []


@pytest.mark.parametrize(("write", "when"), [(0, "before"), (0, "after"), (1, "before")])
def test_killed_around_theta_0_all_comes_to_the_same(warm, write, when):
    broker, place = warm
    manifests = list(broker.topics[TOPICS.periods])
    assert learn(broker, place) == []
    expected = {name: one.hash() for name, one in announced(broker).models.items()}
    broker.topics.clear()
    broker.topics[TOPICS.periods] = manifests
    broker.dies = {TOPICS.models: (write, when)}
    assert learn(broker, place) != []
    broker.dies = {}
    assert learn(broker, place) == []
    assert {name: one.hash() for name, one in announced(broker).models.items()} == expected


def test_ids_of_d_0_that_are_idle_leave_before_the_first_period_for_both_workers(warm):
    broker, place = warm
    settings = TRAINER.model_copy(update={"forget_after": 2})
    assert learn(broker, place, settings) == []
    first, second = (
        read_catalogue(get_all(place.store, announced(broker).models["theta", one]), settings).users.ids
        for one in (0, 1)
    )
    assert set(first) - set(second)
    last = announced(broker).models["star", LAST]
    assert rebuild(place, announced(broker), last).differing == []


def test_who_adopts_another_theta_0_goes_on_from_it(warm):
    broker, place = warm
    others = replace(place, seed=place.seed + 1)
    there = lambda: announced(broker).models.get(("theta", 0))  # noqa: E731
    run_until(others, (train, TRAINER), holds=there)
    other = there()
    broker.topics[TOPICS.models] = broker.topics[TOPICS.models][:1]
    assert learn(broker, place) == []
    found = announced(broker).models
    assert found["theta", 0] == other
    assert found["theta", 1].parents["theta/0"] == other.hash()
    assert rebuild(place, announced(broker), found["theta", 1]).differing == []


def test_shadows_are_pre_trained_too_on_what_serves_or_on_their_own(warm):
    broker, place = warm
    settings = TRAINER.model_copy(update={"shadow": ("iu-activity", "iu", "asmg-gru-multi", "average")})
    told = lambda: {(one.name, one.version) for one in broker.records(TOPICS.shadows, Shadow)}  # noqa: E731
    until = lambda: {(name, LAST) for name in settings.shadow} <= told()  # noqa: E731
    assert run_until(place, (train, TRAINER), (shadow, settings, METAGEN), holds=until) == []
    mine = {
        one.version: one.parts for one in broker.records(TOPICS.shadows, Shadow) if one.name == "iu-activity"
    }
    theirs = {
        one.version: one.parts for one in broker.records(TOPICS.models, Announcement) if one.kind == "theta"
    }
    assert mine == {version: parts for version, parts in theirs.items() if version}
    first = next(
        one for one in broker.records(TOPICS.shadows, Shadow) if (one.name, one.version) == ("iu", 1)
    )
    activity = read_snapshot(get_all(place.store, first), named("iu", TRAINER, METAGEN).trainer).activity
    assert activity["item"].positives_so_far.sum() == ROWS * (BEFORE + 1)
