"""Parts the store has lost: named by who needs them, put back if they come out the same, else superseded."""

import io
import threading
from dataclasses import replace

import pyarrow as pa
import pytest
from memory_broker import PERIODS, TOPICS
from rich.console import Console

from asmg.models import mend
from asmg.models.explain import explaining
from asmg.models.registry import Registry
from asmg.models.remake import remade
from asmg.models.remake import said as verdict
from metagen.rebuild import rebuild
from metagen.settings import MetagenSettings
from metagen.worker import generate
from serving.fetch import fetch
from serving.words import Words
from stream.errors import ConfigurationError, CorruptArtefact, MissingArtefact
from stream.records import Manifest, encode
from stream.store import ParquetStore, TieredStore
from trainer.announced import Announced
from trainer.kafka import get_all
from trainer.lineage import made_of
from trainer.settings import TrainerSettings
from trainer.worker import train

TRAINER = TrainerSettings(embedding=4, batch=16, metrics_port=0, user_rows="hash:9")
METAGEN = MetagenSettings(generator="asmg-linear", metrics_port=0, k=2, tau=1)
QUIET = Console(file=io.StringIO())


class Loop:
    """A trainer and metagen in threads, and what they have announced."""

    def __init__(self, broker, place):
        self.broker, self.place = broker, place

    @property
    def models(self):
        """The registry as a command reads it now."""
        announced = Announced(TOPICS)
        for topic in (TOPICS.periods, TOPICS.models, TOPICS.serve):
            for value in self.broker.topics[topic]:
                announced.take(topic, value)
        return Registry(self.place, None, announced, Words())

    def close_period(self):
        manifests = self.models.announced.manifests
        after = Manifest(period=len(manifests), parent=manifests[-1].hash(), reason="count", count=60)
        self.broker.write(TOPICS.periods, encode(after))

    def start(self, work, *settings):
        """A worker, and how to end it: once a condition holds, or for what it raises."""
        stop, failed = threading.Event(), []

        def run():
            try:
                work(self.place, *settings, stop)
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()

        def end(holds=lambda: False):
            self.until(lambda: holds() or failed)
            stop.set()
            thread.join(60)
            assert not thread.is_alive()
            if failed:
                raise failed[0]

        return end

    def until(self, holds):
        for _ in range(6000):
            if holds():
                return
            threading.Event().wait(0.01)
        pytest.fail("not within 60 s")

    def trained(self, version):
        return lambda: self.models.announced.last_theta() >= version

    def decided(self, period):
        return lambda: self.models.announced.last_decided() >= period

    def path(self, name):
        return self.place.store.folder / name[:2] / f"{name}.parquet"


@pytest.fixture
def loop(shop):
    made = Loop(*shop)
    made.start(train, TRAINER)(made.trained(PERIODS))
    made.start(generate, TRAINER, METAGEN)(made.decided(PERIODS))
    return made


def other_bits(*arguments):
    """`rebuild` on a machine whose arithmetic is another."""
    again = rebuild(*arguments)
    mlp = again.tables["mlp"]
    place = mlp.column_names.index("value")
    values = [[number + 1e-6 for number in row] for row in mlp["value"].to_pylist()]
    field = mlp.schema.field(place)
    other = mlp.set_column(place, field, pa.array(values, field.type))
    return replace(again, tables={**again.tables, "mlp": other})


def test_what_redis_still_has_is_copied_back_and_the_rest_made_again(loop, tmp_path, monkeypatch):
    theta = loop.models.announced.models["theta", 5]
    redis = ParquetStore(tmp_path / "redis")
    redis.put(loop.place.store.get(theta.parts["user"]))
    models = replace(loop.models, copies=TieredStore(redis, loop.place.store))
    loop.place.store.delete(theta.parts["user"])
    assert models.copies.get(theta.parts["user"])  # which hides the loss from all who read through it
    with monkeypatch.context() as patched:
        patched.setattr(mend, "rebuild", lambda *_: pytest.fail("there was a copy"))
        (done,) = mend.mended(models, theta, False, None, QUIET)
    assert done == {"model": "theta/5", "lost": ["user"], "done": "copied back"}
    assert mend.said([done]) == "theta/5: user copied back from Redis"
    for role in ("user", "mlp"):
        loop.place.store.delete(theta.parts[role])
    (done,) = mend.mended(models, theta, False, None, QUIET)
    assert done == {"model": "theta/5", "lost": ["user", "mlp"], "done": "put back"}
    get_all(loop.place.store, theta)


def test_lost_and_damaged_parts_come_back_the_same_and_nobody_is_told(loop):
    models = loop.models
    theta, star = models.announced.models["theta", 5], models.announced.models["star", 6]
    loop.place.store.delete(theta.parts["user"])
    loop.path(theta.parts["mlp"]).write_bytes(b"damaged")
    loop.path(star.parts["generator"]).write_bytes(loop.path(star.parts["item"]).read_bytes())
    assert mend.lost_of(loop.place.store, theta) == ["user", "mlp"]
    with pytest.raises(
        MissingArtefact, match="theta/5 is not whole, `asmg models mend theta/5` makes it again: part"
    ):
        rebuild(loop.place, models.announced, star)
    records = len(loop.broker.topics[TOPICS.models])
    done = mend.mended(models, star, True, None, QUIET)
    assert [one for one in done if one["lost"]] == [
        {"model": "theta/5", "lost": ["user", "mlp"], "done": "put back"},
        {"model": "star/6", "lost": ["generator"], "done": "put back"},
    ]
    assert len(done) == 10  # Θ_1..6 and Θ*_3..6: all that this one goes back to
    assert mend.said(done) == (
        "theta/5: user, mlp made again, the same byte by byte, and put back\n"
        "star/6: generator made again, the same byte by byte, and put back"
    )
    assert len(loop.broker.topics[TOPICS.models]) == records
    get_all(loop.place.store, theta)
    get_all(loop.place.store, star)
    again = mend.mended(models, star, True, None, QUIET)
    assert mend.said(again) == "all 10 models are whole: nothing to mend"
    assert mend.said(again[:1]) == "theta/1 is whole: nothing to mend"


def test_workers_that_start_and_serving_name_the_model_the_part_and_the_mend(loop):
    announced = loop.models.announced
    theta, star = announced.models["theta", 6], announced.models["star", 6]
    loop.path(theta.parts["item"]).write_bytes(b"damaged")
    loop.close_period()
    for work, settings in ((train, (TRAINER,)), (generate, (TRAINER, METAGEN))):
        with pytest.raises(CorruptArtefact) as caught:
            loop.start(work, *settings)()
        said = str(caught.value)
        assert said.startswith(
            "theta/6 is not whole, `asmg models mend theta/6` makes it again: part item: /"
        )
        assert "\n" not in said
    loop.place.store.delete(star.parts["mlp"])
    with pytest.raises(
        MissingArtefact, match="`asmg models mend star/6` makes it again: part mlp: the store has"
    ):
        fetch(loop.place.store, star, TRAINER)
    mend.mended(loop.models, star, True, None, QUIET)
    loop.start(train, TRAINER)(loop.trained(7))
    loop.start(generate, TRAINER, METAGEN)(loop.decided(7))
    assert fetch(loop.place.store, star, TRAINER)


def test_what_comes_out_different_supersedes_and_every_model_stays_a_function_of_what_it_records(
    loop, monkeypatch
):
    running = loop.start(train, TRAINER)
    old = loop.models.announced.models["theta", 6]
    loop.close_period()
    loop.until(loop.trained(7))
    seventh = loop.models.announced.models["theta", 7]
    loop.place.store.delete(seventh.parts["mlp"])
    monkeypatch.setattr("asmg.models.mend.rebuild", other_bits)
    models = loop.models
    done = mend.mended(models, seventh, False, None, QUIET)
    assert done == [{"model": "theta/7", "lost": ["mlp"], "done": "superseded"}]
    assert mend.said(done).startswith("theta/7: mlp made again and came out different: superseded")
    new = loop.models.announced.models["theta", 7]
    assert models.announced.models["theta", 7] == new
    assert (new.supersedes, new.score, new.parents) == (seventh.hash(), seventh.score, seventh.parents)
    assert new.parts["mlp"] != seventh.parts["mlp"]
    assert {role for role in new.parts if new.parts[role] == seventh.parts[role]} == set(new.parts) - {"mlp"}
    get_all(loop.place.store, new)
    assert old.hash() == new.parents["theta/6"]

    loop.close_period()
    running(loop.trained(8))  # went on from what it held, and says so
    eighth = loop.models.announced.models["theta", 8]
    assert eighth.parents["theta/7"] == seventh.hash()
    (link,) = [one for one in made_of(loop.models.announced, eighth) if one.superseded]
    assert (link.parent, link.there, link.broken) == ("theta/7", new.hash(), False)
    again = remade(loop.models, eighth, False, QUIET)
    assert "it was made of theta/7 before that was superseded" in verdict(again, eighth)

    loop.start(generate, TRAINER, METAGEN)(loop.decided(8))  # begins behind the record, and uses the new one
    star = loop.models.announced.models["star", 8]
    assert star.parents["theta/7"] == new.hash()
    assert rebuild(loop.place, loop.models.announced, star).differing == []
    loop.close_period()
    loop.start(train, TRAINER)(loop.trained(9))
    assert (
        rebuild(loop.place, loop.models.announced, loop.models.announced.models["theta", 9]).differing == []
    )


def test_of_two_who_mend_at_once_the_first_counts_for_both(loop, monkeypatch):
    old = loop.models.announced.models["theta", 6]
    loop.place.store.delete(old.parts["mlp"])
    late = loop.models  # has read the topics before the other wrote
    monkeypatch.setattr("asmg.models.mend.rebuild", other_bits)
    mend.mended(loop.models, old, False, None, QUIET)
    new = loop.models.announced.models["theta", 6]
    mend.mended(late, old, False, None, QUIET)
    assert late.announced.models["theta", 6] == loop.models.announced.models["theta", 6] == new
    assert new.supersedes == old.hash()


def test_explain_says_plainly_what_was_superseded():
    link = {"child": "theta/2", "parent": "theta/1", "recorded": "a" * 64, "there": "b" * 64}
    told = {**link, "superseded": True, "holds": False}
    found = {
        "model": "theta/2",
        "links": [told],
        "checked": 3,
        "broken": [],
        "superseded": [told],
        "periods": [],
    }
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(explaining(found))
    text = console.export_text()
    assert "superseded since, by bbbbbbbbbbbbbbbb" in text
    assert "all 3 links back to the first period hold" not in text
    assert "1 leads to a model that has been superseded since: theta/2 was made of theta/1" in " ".join(
        text.split()
    )


def test_a_device_is_cpu_or_cuda():
    assert [mend.device_of(one) for one in (None, "cpu", "cuda")] == [None, "cpu", "cuda"]
    with pytest.raises(ConfigurationError, match="--device is cpu or cuda, not tpu"):
        mend.device_of("tpu")
