import math

import pytest
import torch
from memory_broker import PERIODS, TOPICS, Broker, Follower
from prometheus_client import REGISTRY
from worker_threads import run_until

from metagen.rebuild import rebuild
from metagen.settings import MetagenSettings
from metagen.worker import generate
from stream.live.drift import drift, popularity
from stream.records import Announcement, Manifest, Outlook, Serve, encode
from stream.store import ParquetStore
from trainer.announced import Announced
from trainer.kafka import Workplace, get_all
from trainer.settings import TrainerSettings
from trainer.snapshot import read_theta
from trainer.worker import train

TRAINER = TrainerSettings(embedding=8, batch=16, metrics_port=0, user_rows="hash:9", strategy="iu")
METAGEN = MetagenSettings(generator="asmg-gru-multi", metrics_port=0, tau=1, k=2)


def run(place, broker, *workers, trainer=TRAINER, metagen=METAGEN):
    """The workers in threads until the gate has decided on every period, or one of them is killed."""
    jobs = {"train": (train, trainer), "generate": (generate, trainer, metagen)}

    def through():
        closed = len(broker.topics[TOPICS.periods]) - 1
        learnt = 0 if "generate" in workers else len(of_kind(broker, "theta"))
        return closed in (learnt, len({one.period for one in broker.records(TOPICS.serve, Serve)}))

    return run_until(place, *(jobs[name] for name in workers), holds=through)


def outcome(broker):
    """What any run must agree on: hashes of all models in order of version, and what serves."""
    models = {}
    for one in broker.records(TOPICS.models, Announcement):
        models.setdefault((one.kind, one.version), (one.hash(), one.score))
    serves = {}
    for one in broker.records(TOPICS.serve, Serve):
        serves.setdefault(one.period, (one.kind, one.version, one.reason))
    return models, serves


def of_kind(broker, kind):
    """By version, those of a kind that were announced."""
    announced = broker.records(TOPICS.models, Announcement)
    return {one.version: one for one in announced if one.kind == kind}


def undisturbed(broker, place):
    """What a run comes to that nobody disturbs; then nothing but the periods is there again."""
    manifests = list(broker.topics[TOPICS.periods])
    assert run(place, broker, "train", "generate") == []
    found = outcome(broker)
    broker.topics.clear()
    broker.topics[TOPICS.periods] = manifests
    return found


def test_every_period_gets_its_model_and_the_gates_word(shop):
    broker, place = shop
    assert run(place, broker, "train", "generate") == []
    models, serves = outcome(broker)
    assert sorted(models) == sorted(
        [(kind, one) for kind in ("theta", "ema") for one in range(1, 7)]
        + [("star", one) for one in range(3, 7)]
    )
    assert serves[1][0] == "theta"
    assert "star" not in (serves[2][0], serves[3][0])
    star = [one for one in broker.records(TOPICS.models, Announcement) if one.kind == "star"]
    assert [one.trained for one in star] == [1, 2, 3, 4]
    assert star[0].score is None
    assert star[1].score is not None
    assert {"period/3", "theta/3", "theta/1"} <= star[0].parents.keys()
    assert set(star[0].seconds) == {"read", "score", "generate", "wait", "sweep", "write"}
    theta = of_kind(broker, "theta")[2]
    assert set(theta.seconds) == {"read", "score", "train", "write"}


def test_the_average_is_announced_before_its_theta_and_scored_from_its_second_on(shop):
    broker, place = shop
    assert run(place, broker, "train") == []
    names = [(one.kind, one.version) for one in broker.records(TOPICS.models, Announcement)]
    assert names == [(kind, one) for one in range(1, 7) for kind in ("ema", "theta")]
    average = of_kind(broker, "ema")
    assert average[1].score is None
    assert all(average[one].score is not None for one in range(2, 7))
    assert REGISTRY.get_sample_value("asmg_trainer_ema_logloss") == average[6].score.logloss
    assert REGISTRY.get_sample_value("asmg_trainer_ema_auc") == average[6].score.auc
    assert [average[one].trained for one in range(1, 7)] == list(range(1, 7))
    assert average[2].parents.keys() == {"period/2", "theta/1", "ema/1"}
    newest = read_theta(get_all(place.store, average[6])).named()
    expected = read_theta(get_all(place.store, of_kind(broker, "theta")[6])).named()
    before = read_theta(get_all(place.store, average[5])).named()
    for name, one in before.items():
        rows = len(one)
        assert torch.allclose(newest[name][:rows], (one + expected[name][:rows]) / 2, atol=1e-7)


def test_none_is_kept_where_none_is_wanted_and_one_that_is_wanted_again_begins_anew(shop):
    broker, place = shop
    manifests = broker.topics[TOPICS.periods]
    broker.topics[TOPICS.periods] = manifests[:3]
    assert run(place, broker, "train") == []
    broker.topics[TOPICS.periods] = manifests[:5]
    assert run(place, broker, "train", trainer=TRAINER.model_copy(update={"ema": None})) == []
    broker.topics[TOPICS.periods] = manifests
    assert run(place, broker, "train") == []
    assert {version: one.trained for version, one in of_kind(broker, "ema").items()} == {
        1: 1,
        2: 2,
        5: 1,
        6: 2,
    }


@pytest.mark.parametrize("version", [1, 4])
def test_an_average_made_again_comes_to_the_same_bytes(shop, version):
    broker, place = shop
    assert run(place, broker, "train") == []
    announced = Announced(TOPICS)
    for topic in (TOPICS.periods, TOPICS.models):
        for value in broker.topics[topic]:
            announced.take(topic, value)
    again = rebuild(place, announced, announced.models["ema", version])
    assert again.differing == []


@pytest.mark.parametrize(
    ("settings", "first", "reach"),
    [
        ({"generator": "asmg-gru-full", "full_k": 3}, 2, 3),
        ({"generator": "asmg-linear"}, 3, 2),
        ({"generator": "ema"}, 2, 1),
    ],
)
def test_a_generator_whose_window_grows_or_that_trains_nothing_runs_live_too(shop, settings, first, reach):
    broker, place = shop
    metagen = METAGEN.model_copy(update=settings)
    broker.dies = {TOPICS.serve: (4, "before")}
    assert len(run(place, broker, "train", "generate", metagen=metagen)) >= 1
    broker.dies = {}
    assert run(place, broker, "train", "generate", metagen=metagen) == []
    stars = {one.version: one for one in broker.records(TOPICS.models, Announcement) if one.kind == "star"}
    assert [(one, stars[one].trained) for one in sorted(stars)] == [
        (period, period - first + 1) for period in range(first, 7)
    ]
    for period, star in stars.items():
        begin = max(1, period - reach)
        expected = {f"theta/{one}" for one in range(begin, period + 1)}
        expected |= {f"period/{one}" for one in range(begin + 1, period + 1)}
        assert star.parents.keys() == expected | ({f"star/{period - 1}"} if period > first else set())


@pytest.mark.parametrize("topic", [TOPICS.models, TOPICS.serve])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("writes", [0, 3, 5])
def test_workers_killed_at_a_write_and_restarted_come_to_the_same_models(
    shop, random_period, tmp_path, topic, when, writes
):
    broker, place = shop
    calm = undisturbed(broker, place)
    place = Workplace({}, TOPICS, ParquetStore(tmp_path / "again"), place.read, place.seed)
    broker.dies = {topic: (writes, when)}
    assert len(run(place, broker, "train", "generate")) >= 1
    broker.dies = {}
    assert run(place, broker, "train", "generate") == []
    assert outcome(broker) == calm


def test_who_announces_second_adopts_what_was_announced_first(shop, tmp_path):
    broker, place = shop
    assert run(place, broker, "train") == []
    other = Workplace({}, TOPICS, place.store, place.read, seed=2)
    foreign = Broker()
    foreign.topics[TOPICS.periods] = broker.topics[TOPICS.periods]
    first = of_kind(broker, "theta")[1]
    theirs = encode(first)

    class Late(Follower):
        """Shows the first model of the other worker only once this one has written its own."""

        def poll(self, timeout):
            own = foreign.topics[TOPICS.models]
            if len(own) == 2 and theirs not in own:  # its average, and its model
                own.insert(1, theirs)
            return super().poll(timeout)

    foreign.follower = lambda _kafka, places: Late(foreign, places)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.kafka.Follower", foreign.follower)
        patch.setattr("trainer.kafka.Writer", foreign.writer)
        assert run(other, foreign, "train") == []
    assert of_kind(foreign, "theta")[2].parents["theta/1"] == first.hash()


def test_a_generated_model_that_jumps_does_not_serve_though_its_scores_were_better(shop):
    broker, place = shop
    settings = METAGEN.model_copy(update={"gate_jump": 0.0, "gate_margin": -math.inf})
    alone = TRAINER.model_copy(update={"ema": None})
    assert run(place, broker, "train", "generate", trainer=alone, metagen=settings) == []
    stars = of_kind(broker, "star")
    assert stars[3].outlook == Outlook(finite=True)
    assert all(0 < stars[one].outlook.jump <= 1 for one in (4, 5, 6))
    words = {one.period: one for one in broker.records(TOPICS.serve, Serve)}
    assert [words[one].kind for one in (4, 5, 6)] == ["theta"] * 3
    assert all(
        words[one].reason.startswith("the generated model is refused: its scores are") for one in (4, 5, 6)
    )


def test_each_base_model_but_the_first_says_how_popularity_drifted(shop):
    broker, place = shop
    assert run(place, broker, "train") == []
    thetas = of_kind(broker, "theta")
    assert thetas[1].drift is None
    for period in range(2, PERIODS + 1):
        before, now = (
            popularity(place.read(one))
            for one in broker.records(TOPICS.periods, Manifest)[period - 1 : period + 1]
        )
        expected = drift(before, now)
        assert thetas[period].drift.distance == pytest.approx(expected.distance, abs=1e-6)
        assert thetas[period].drift.new_items == pytest.approx(expected.new_items, abs=1e-6)
