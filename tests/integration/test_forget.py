"""A user who is forgotten while the loop goes on: no part of the store names the user any more."""

from __future__ import annotations

import io
import random
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from rich.console import Console
from waiting import until
from working import at_work

from asmg.config import Settings
from asmg.forgetting.run import forget
from asmg.models.registry import registry
from asmg.models.remake import remade, said
from metagen.settings import MetagenSettings
from metagen.worker import generate
from serving.histories import Histories
from stream import kafka
from stream.archive.index import Index
from stream.archive.worker import archive
from stream.close.read import PeriodReader
from stream.errors import MissingArtefact
from stream.forgotten import digest_of
from stream.replay.encode import partition_of
from stream.settings import KafkaSettings, StreamSettings
from stream.store import ParquetStore
from stream.topics import Topics
from stream.window.log import tick
from stream.window.worker import window
from trainer.announced import Announced
from trainer.kafka import Workplace
from trainer.settings import TrainerSettings
from trainer.worker import train

pytestmark = pytest.mark.integration

PARTITIONS, ROWS = 2, 80
STREAM = StreamSettings(
    partitions=PARTITIONS, period_count=ROWS, metrics_port=0, lateness=0, window=0, checkpoint_every=100
)
TRAINER = TrainerSettings(strategy="iu-activity", embedding=4, batch=32, metrics_port=0, ema=None)
METAGEN = MetagenSettings(k=1, tau=1, metrics_port=0)
USER = "the one who goes"
QUIET = Console(file=io.StringIO())


class Killed(Exception):
    """Stands for kill -9: nothing of the command goes on."""


class Shop:
    """Topics that clicks are written into, and where whoever works on them works."""

    def __init__(self, bootstrap: str, home: Path) -> None:
        prefix = f"test-forget-{uuid.uuid4().hex[:8]}."
        self.settings = Settings(
            home=home,
            kafka=KafkaSettings(bootstrap=bootstrap, prefix=prefix),
            stream=STREAM,
            trainer=TRAINER,
            metagen=METAGEN,
        )
        self.broker: dict[str, object] = {"bootstrap.servers": bootstrap}
        self.topics: Topics = kafka.ensure_topics(self.broker, self.settings.kafka, PARTITIONS)
        self.store = ParquetStore(home / "store")
        self._writer, self._now, self._chance = kafka.Writer(self.broker), 0, random.Random(3)
        self.announced, self.histories, self.archived = Announced(self.topics), Histories(), Index()
        places = self.announced.followed
        places[self.topics.archive, 0] = 0
        places |= {(self.topics.histories, one): 0 for one in range(PARTITIONS)}
        self._follower = kafka.Follower(self.broker, places)

    def sell(self, periods: int, users: list[str]) -> None:
        """As many clicks as close so many periods, and one more."""
        for _ in range(periods * ROWS + 1):
            self._now += 10
            user, item = self._chance.choice(users), f"i{self._chance.randrange(20)}"
            event = {"type": "click", "user_id": user, "item_id": item, "ts": self._now}
            partition = int(partition_of(pa.array([user]), PARTITIONS)[0])
            self._writer.write(self.topics.events, msgspec.json.encode(event), partition=partition)
        self.idle()

    def idle(self) -> None:
        """A little time goes by; windowing sees it, and writes its checkpoints."""
        self._now += 1
        for partition in range(PARTITIONS):
            self._writer.write(self.topics.events, tick(self._now), partition=partition)
        self._writer.flush()

    def look(self) -> Announced:
        """All that is announced by now."""
        for one in self._follower.poll(0.05):
            if one.topic() == self.topics.histories:
                self.histories.take(one.key(), one.value())
            elif one.topic() == self.topics.archive:
                self.archived.take(one.value())
            else:
                self.announced.take(one.topic(), one.value())
        return self.announced

    def place(self) -> Workplace:
        reader = PeriodReader(self.broker, self.topics, self.store)
        return Workplace(self.broker, self.topics, self.store, reader, seed=3)

    def forget(self, dry: bool = False) -> dict[str, tuple[str, str]]:
        rows = forget(self.settings, USER, dry=dry, sure=lambda: None, console=QUIET)
        return {row["place"]: (row["done"], row["left"]) for row in rows}

    def naming(self) -> list[str]:
        """Parts of the store with the user's id in them."""
        found = []
        for path in sorted(self.store.folder.glob("*/*.parquet")):
            with suppress(MissingArtefact):  # a checkpoint's that went meanwhile
                if USER in str(self.store.get(path.stem).to_pydict()):
                    found.append(path.stem)
        return found


@pytest.fixture
def shop(bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setattr("os.nice", lambda _by: 0)
    shop = Shop(bootstrap, tmp_path)
    with ExitStack() as stack:
        broker, topics, store = shop.broker, shop.topics, shop.store
        stack.enter_context(at_work(window, broker, topics, store, STREAM))
        stack.enter_context(at_work(train, shop.place(), TRAINER))
        stack.enter_context(at_work(generate, shop.place(), TRAINER, METAGEN))
        stack.enter_context(at_work(archive, broker, topics, store, 0))
        yield shop


def test_a_forgotten_user_is_in_no_part_and_no_model_to_come_and_the_loop_goes_on(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [f"u{one}" for one in range(8)]
    shop.sell(4, [*others, USER])
    until(lambda: shop.look().last_decided() >= 4 and shop.histories.of(USER) and 4 in shop.archived, 120)
    assert shop.naming()

    told = shop.forget(dry=True)
    done, left = told["archive"]
    assert "would be nobody's" in done
    assert left == ""
    assert "would be without the user's row" in told["models kept"][0]
    assert not shop.look().superseded

    def killed(_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("asmg.forgetting.models._delete", killed)
        with pytest.raises(Killed):
            shop.forget()
    told = shop.forget()
    assert told["models kept"] == ("none that was looked at has a row of the user", "")
    assert told["archive"][0] == "nothing of the user is there"
    assert told[f"topic {shop.topics.samples}"][1].startswith("kept for ever")
    until(lambda: shop.look() and not shop.histories.of(USER))

    # The period that forgets is the first that ends after all that lay before the wish is decided.
    shop.sell(2, others)
    announced = until(lambda: (found := shop.look()).last_decided() >= 6 and found)
    assert [one.period for one in announced.manifests if digest_of(USER) in one.forget] == [5]
    told = shop.forget()
    assert told["histories, windowing, models to come"] == ("gone since period 5", "")
    until(lambda: shop.idle() or not shop.naming(), 30)
    assert not shop.histories.of(USER)

    with registry(shop.settings) as found:
        last, early = found.announced.models["star", 6], found.announced.models["theta", 2]
        assert remade(found, last, False, QUIET)[0]["differing"] == []
        again = remade(found, early, False, QUIET)
        assert (early.forgotten, again[0]["forgotten"]) == (1, 1)
        assert "since it was made 1 users were forgotten in it" in said(again, early)
