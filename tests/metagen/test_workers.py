import math
import threading

import pytest
from memory_broker import PERIODS, TOPICS, Broker, Follower, Killed

from metagen.settings import MetagenSettings
from metagen.worker import generate
from stream.live.drift import drift, popularity
from stream.records import Announcement, Manifest, Outlook, Serve, decode
from stream.store import ParquetStore
from trainer.kafka import Workplace
from trainer.settings import TrainerSettings
from trainer.worker import train

TRAINER = TrainerSettings(embedding=8, batch=16, metrics_port=0, user_rows="hash:9", strategy="iu")
METAGEN = MetagenSettings(generator="asmg-gru-multi", metrics_port=0, tau=1, k=2)
#: Seconds a worker may take for all periods of a test.
DEADLINE = 60


def run(place, broker, *workers, metagen=METAGEN):
    """The workers in threads until the gate has decided on every period, or one of them is killed."""
    stop, died = threading.Event(), []

    def guarded(work, *settings):
        try:
            work(place, *settings, stop)
        except Killed:
            died.append(work)
            stop.set()
        except BaseException as error:
            died.append(error)
            stop.set()
            raise

    jobs = {"train": (train, TRAINER), "generate": (generate, TRAINER, metagen)}
    threads = [threading.Thread(target=guarded, args=jobs[name], daemon=True) for name in workers]
    for one in threads:
        one.start()
    wait = threading.Event()
    for _ in range(DEADLINE * 100):
        done = len(broker.topics[TOPICS.models]) >= PERIODS if "generate" not in workers else False
        done = done or len({one.period for one in broker.records(TOPICS.serve, Serve)}) == PERIODS
        if done or stop.is_set():
            break
        wait.wait(0.01)
    stop.set()
    for one in threads:
        one.join(DEADLINE)
        assert not one.is_alive()
    return died


def outcome(broker):
    """What any run must agree on: hashes of all models in order of version, and what serves."""
    models = {}
    for one in broker.records(TOPICS.models, Announcement):
        models.setdefault((one.kind, one.version), (one.hash(), one.score))
    serves = {}
    for one in broker.records(TOPICS.serve, Serve):
        serves.setdefault(one.period, (one.kind, one.version, one.reason))
    return models, serves


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
        [("theta", one) for one in range(1, 7)] + [("star", one) for one in range(3, 7)]
    )
    assert [serves[one][0] for one in (1, 2, 3)] == ["theta"] * 3
    star = [one for one in broker.records(TOPICS.models, Announcement) if one.kind == "star"]
    assert [one.trained for one in star] == [1, 2, 3, 4]
    assert star[0].score is None
    assert star[1].score is not None
    assert {"period/3", "theta/3", "theta/1"} <= star[0].parents.keys()
    assert set(star[0].seconds) == {"read", "score", "generate", "wait", "sweep", "write"}
    theta = broker.records(TOPICS.models, Announcement)[0]
    assert set(theta.seconds) == {"read", "score", "train", "write"}


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
    theirs = broker.topics[TOPICS.models][0]

    class Late(Follower):
        """Shows the first model of the other worker only once this one has written its own."""

        def poll(self, timeout):
            own = foreign.topics[TOPICS.models]
            if len(own) == 1 and own[0] != theirs:
                own.insert(0, theirs)
            return super().poll(timeout)

    foreign.follower = lambda _kafka, places: Late(foreign, places)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.kafka.Follower", foreign.follower)
        patch.setattr("trainer.kafka.Writer", foreign.writer)
        assert run(other, foreign, "train") == []
    second = [one for one in foreign.records(TOPICS.models, Announcement) if one.version == 2]
    assert second[0].parents["theta/1"] == decode(Announcement, theirs).hash()


def test_a_generated_model_that_jumps_does_not_serve_though_its_scores_were_better(shop):
    broker, place = shop
    settings = METAGEN.model_copy(update={"gate_jump": 0.0, "gate_margin": -math.inf})
    assert run(place, broker, "train", "generate", metagen=settings) == []
    stars = {one.version: one for one in broker.records(TOPICS.models, Announcement) if one.kind == "star"}
    assert stars[3].outlook == Outlook(finite=True)
    assert all(0 < stars[one].outlook.jump <= 1 for one in (4, 5, 6))
    words = {one.period: one for one in broker.records(TOPICS.serve, Serve)}
    assert [words[one].kind for one in (4, 5, 6)] == ["theta"] * 3
    assert all(f"Θ* of period {one} is refused: its scores are" in words[one].reason for one in (4, 5, 6))


def test_each_base_model_but_the_first_says_how_popularity_drifted(shop):
    broker, place = shop
    assert run(place, broker, "train") == []
    thetas = {one.version: one for one in broker.records(TOPICS.models, Announcement)}
    assert thetas[1].drift is None
    for period in range(2, PERIODS + 1):
        before, now = (
            popularity(place.read(one))
            for one in broker.records(TOPICS.periods, Manifest)[period - 1 : period + 1]
        )
        expected = drift(before, now)
        assert thetas[period].drift.distance == pytest.approx(expected.distance, abs=1e-6)
        assert thetas[period].drift.new_items == pytest.approx(expected.new_items, abs=1e-6)
