"""Periods that Kafka has forgotten come from the archive, and to the same models; or the gap is named."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from waiting import until
from working import at_work

from asmg.models.explain import explained, explaining
from asmg.models.registry import Registry
from metagen.rebuild import rebuild
from serving.words import Words
from stream import kafka
from stream.archive.index import Index
from stream.archive.worker import archive
from stream.close.read import PeriodReader
from stream.errors import GapError
from stream.records import Archived, Manifest, encode
from stream.replay import Choices, open_source
from stream.replay.worker import Plan, replay
from stream.settings import KafkaSettings, StreamSettings
from stream.store import ParquetStore
from stream.topics import Topics
from stream.window.worker import window
from trainer.announced import Announced
from trainer.kafka import Workplace
from trainer.settings import TrainerSettings
from trainer.worker import train

pytestmark = pytest.mark.integration

PARTITIONS, PERIODS = 2, 4
STREAM = StreamSettings(
    partitions=PARTITIONS, period_count=500, metrics_port=0, lateness=1000, window=60_000, batch=50
)
#: Seconds that a worker may take for all periods: what it runs is compiled at its first.
DEADLINE = 120.0
#: Reads the data of two periods before the one that it learns.
TRAINER = TrainerSettings(strategy="bu-3", embedding=4, batch=64, metrics_port=0, user_rows="hash:9")


@dataclass
class Shop:
    """Topics whose periods are all closed, and a store."""

    broker: dict[str, object]
    topics: Topics
    store: ParquetStore
    told: int = 0  # records of the archive

    def __post_init__(self) -> None:
        self._said, self._index = Announced(self.topics), Index()
        places = self._said.followed | {(self.topics.archive, 0): 0}
        self._follower = kafka.Follower(self.broker, places)

    @property
    def announced(self) -> Announced:
        """All that is announced by now."""
        self._read()
        return self._said

    @property
    def periods(self) -> list[Manifest]:
        return self.announced.manifests[1:]

    def place(self) -> Workplace:
        """Where somebody works who comes anew."""
        reader = PeriodReader(self.broker, self.topics, self.store)
        return Workplace(self.broker, self.topics, self.store, reader, seed=3)

    @property
    def archived(self) -> list[Archived]:
        """By period, what the archiver has told by now."""
        self._read()
        return [self._index[one] for one in sorted(self._index)]

    def archive(self) -> None:
        """An archiver until it has come to the last period."""
        with at_work(archive, self.broker, self.topics, self.store, 0):
            until(lambda: len(self.archived) == len(self.periods))

    def _read(self) -> None:
        while found := self._follower.poll(0.1):
            for one in found:
                if one.topic() == self.topics.archive:
                    self.told += 1
                    self._index.take(one.value())
                else:
                    self._said.take(one.topic(), one.value())

    def train(self, versions: int) -> list[str]:
        """A trainer until it has announced so many; the hashes of all."""
        with at_work(train, self.place(), TRAINER) as failed:
            until(lambda: failed or self.announced.last_theta() >= versions, DEADLINE)
        announced = self.announced
        return [announced.models["theta", one].hash() for one in range(1, versions + 1)]

    def forget(self, before: Manifest | None = None) -> None:
        """Kafka forgets `samples` up to a period, or all of them."""
        client = kafka.consumer(self.broker, wait=10)
        places = [
            TopicPartition(
                self.topics.samples,
                one,
                before.at[str(one)][0] if before else kafka.offsets(client, self.topics.samples, one)[1],
            )
            for one in range(PARTITIONS)
        ]
        admin = AdminClient(self.broker)  # a name of its own: with it the answers would be gone
        for asked in admin.delete_records(places).values():
            asked.result(DEADLINE)
        client.close()

    def moved(self, archived: Sequence[Archived] | None = None) -> Shop:
        """Another Kafka that has the manifests and the archive alone, and the same store."""
        prefix = f"test-archive-{uuid.uuid4().hex[:8]}."
        topics = kafka.ensure_topics(self.broker, KafkaSettings(prefix=prefix), PARTITIONS)
        writer = kafka.Writer(self.broker)
        for manifest in self.announced.manifests:
            writer.write(topics.periods, encode(manifest))
        for one in self.archived if archived is None else archived:
            writer.write(topics.archive, encode(one))
        writer.flush()
        return Shop(self.broker, topics, self.store)


@pytest.fixture
def shop(bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The built-in shop."""
    monkeypatch.setattr("os.nice", lambda _by: 0)
    prefix = f"test-archive-{uuid.uuid4().hex[:8]}."
    broker: dict[str, object] = {"bootstrap.servers": bootstrap}
    topics = kafka.ensure_topics(broker, KafkaSettings(prefix=prefix), PARTITIONS)
    made = Shop(broker, topics, ParquetStore(tmp_path / "store"))
    plan = Plan(topics.events, STREAM.lateness, STREAM.window)
    replay(open_source("synthetic", None, Choices(events=2300)), broker, plan, stop=threading.Event())
    with at_work(window, broker, topics, made.store, STREAM):
        until(lambda: len(made.periods) == PERIODS, DEADLINE)
    return made


def registry(shop: Shop) -> Registry:
    client = kafka.consumer(shop.broker, wait=10)
    return Registry(shop.place(), client, shop.announced, Words())


def kept(shop: Shop, model: Any) -> dict[str, list[str]]:
    found = explained(registry(shop), model, whole=True)
    explaining(found)
    return {one["period"]: one["kept"] for one in found["periods"]}


def test_after_kafka_has_forgotten_models_are_made_again_and_workers_go_on_from_the_archive(
    shop: Shop,
) -> None:
    periods, last = shop.periods, PERIODS
    hashes = shop.train(last)
    model = shop.announced.models["theta", last]
    assert set(map(tuple, kept(shop, model).values())) == {("kafka",)}
    shop.archive()
    assert [(one.period, one.rows) for one in shop.archived] == [(one.period, one.count) for one in periods]
    shop.archive()  # once more: nothing is told twice
    assert (len(shop.archived), shop.told) == (last, last)
    assert set(map(tuple, kept(shop, model).values())) == {("kafka", "archive")}

    shop.forget(before=periods[-1])
    in_archive = {f"period/{one}": ["archive"] for one in range(1, last)}
    assert kept(shop, model) == in_archive | {f"period/{last}": ["kafka", "archive"]}
    shop.forget()
    live = PeriodReader(shop.broker, shop.topics)
    with pytest.raises(GapError, match="period 1 is neither in Kafka nor in the archive"):
        live(periods[0])
    live.close()
    for version in (1, last):  # bu-3: it reads the periods before it too
        assert rebuild(shop.place(), shop.announced, shop.announced.models["theta", version]).differing == []

    anew = shop.moved()
    assert anew.train(2) == hashes[:2]  # no models, no samples: all from manifests and the archive
    assert anew.train(last) == hashes  # a restart, whose strategy reads periods before


def test_a_period_that_neither_has_is_named_with_the_mend_and_costs_no_other(shop: Shop) -> None:
    second = shop.periods[1]
    shop.forget(before=second)
    with at_work(archive, shop.broker, shop.topics, shop.store, 0):
        until(lambda: len(shop.archived) == len(shop.periods) - 1)
    assert [one.period for one in shop.archived] == [one.period for one in shop.periods[1:]]
    with pytest.raises(GapError) as caught:
        shop.train(1)
    said = str(caught.value)
    assert said.startswith(
        "period 1 is neither in Kafka nor in the archive: its samples are at offsets 0 to "
    )
    assert f"of topic {shop.topics.samples}, partition 0, and Kafka has those from " in said
    assert said.endswith(
        "restore the topic from a backup (`asmg archive` keeps every period that closes while it runs)"
    )
    assert "\n" not in said
    assert len(shop.place().read(second)) == second.count


def test_an_archived_part_that_is_lost_is_put_again_while_kafka_has_the_rows_and_named_after(
    shop: Shop,
) -> None:
    shop.archive()
    part, other = (one.part for one in shop.archived[:2])
    shop.store.delete(part)
    with at_work(archive, shop.broker, shop.topics, shop.store, 0):
        until(lambda: shop.store.has(part))
    shop.forget()
    first = shop.periods[0]
    assert len(shop.place().read(first)) == first.count
    shop.store.delete(part)
    with pytest.raises(GapError, match=f"its archived part: the store has no part {part} .*restore the part"):
        shop.place().read(first)
    (shop.store.folder / part[:2] / f"{part}.parquet").write_bytes(b"damaged")
    with pytest.raises(GapError, match=r"its archived part: .* cannot be read"):
        shop.place().read(first)
    another = shop.moved([Archived(period=1, part=other, rows=500)])
    with pytest.raises(GapError, match="period 1 are not those its manifest hashed; restore"):
        another.place().read(first)
