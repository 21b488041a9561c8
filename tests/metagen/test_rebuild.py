"""Models made again from what they were made of."""

import threading
from dataclasses import replace

import msgspec
import pytest
from memory_broker import TOPICS

from metagen.rebuild import rebuild
from metagen.settings import MetagenSettings
from metagen.worker import generate
from stream.errors import ConfigurationError, MissingArtefact
from stream.records import Announcement, encode
from trainer.announced import Announced
from trainer.settings import TrainerSettings
from trainer.worker import train

METAGEN = MetagenSettings(metrics_port=0, k=2)


@pytest.fixture(params=["iu-activity", "spmf", "bu-3"])
def made(shop, request):
    """The place, and what a trainer of the strategy and ASMG+ announced there, period after period."""
    broker, place = shop
    trainer = TrainerSettings(
        strategy=request.param, embedding=4, batch=16, metrics_port=0, user_rows="hash:9"
    )
    for last, work, settings in (("theta/6", train, (trainer,)), ("6", generate, (trainer, METAGEN))):
        stop = threading.Event()
        thread = threading.Thread(target=work, args=(place, *settings, stop), daemon=True)
        thread.start()
        topic, most = (TOPICS.models, 12) if last == "theta/6" else (TOPICS.serve, 6)
        for _ in range(6000):
            if len(broker.topics[topic]) >= most:  # six models, and six averages
                break
            threading.Event().wait(0.01)
        stop.set()
        thread.join(60)
    announced = Announced(TOPICS)
    for topic in (TOPICS.periods, TOPICS.models, TOPICS.serve):
        for value in broker.topics[topic]:
            announced.take(topic, value)
    return place, announced


def test_every_model_comes_out_the_same_whatever_the_settings_here(made):
    place, announced = made
    elsewhere = replace(place, seed=place.seed + 1)
    assert {kind for kind, _ in announced.models} == {"theta", "star", "ema"}
    for model in announced.models.values():
        again = rebuild(elsewhere, announced, model)
        assert again.differing == []
        assert again.parts == model.parts


def test_what_differs_is_named(made):
    place, announced = made
    model = announced.models["star", 6]
    other = {**model.parts, "mlp": "0" * 64, "more": "1" * 64}
    del other["hidden/item"]
    changed = msgspec.structs.replace(model, parts=other)
    assert rebuild(place, announced, changed).differing == ["hidden/item", "mlp", "more"]


def test_what_cannot_be_made_again_is_said(made):
    place, announced = made
    model = announced.models["theta", 3]
    unknown = {**model.settings, "trainer": {**model.settings["trainer"], "flux": 1}}
    for settings in ({}, unknown):
        with pytest.raises(ConfigurationError, match="theta/3 was made by another version"):
            rebuild(place, announced, msgspec.structs.replace(model, settings=settings))
    place.store.delete(announced.models["theta", 2].parts["mlp"])
    with pytest.raises(MissingArtefact):
        rebuild(place, announced, model)


def test_an_announcement_records_what_its_model_was_told_and_nothing_of_the_process(made):
    _, announced = made
    theta, star = announced.models["theta", 6].settings, announced.models["star", 6].settings
    assert (theta["seed"], theta["device"], set(theta)) == (1, "cpu", {"seed", "device", "trainer"})
    assert star["trainer"] == theta["trainer"]
    assert star["metagen"]["k"] == 2
    assert not {"metrics_port", "device", "shadow"} & (theta["trainer"].keys() | star["metagen"].keys())
    assert len(encode(announced.models["star", 6])) < 8192
    assert Announcement(kind="theta", version=1, parts={}, parents={}).settings == {}
