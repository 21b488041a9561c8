"""A Kafka with our topics and foreign ones that an ingest brings in, and how the foreign ones are mapped."""

import json
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from confluent_kafka import Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from waiting import until
from working import at_work

from stream import kafka
from stream.ingest.worker import ingest
from stream.records import Manifest, decode
from stream.settings import IngestSettings, KafkaSettings, StreamSettings
from stream.store import ParquetStore
from stream.window.log import tick
from stream.window.worker import window

T = 1_764_000_000_000

STREAM = StreamSettings(
    period_count=97, metrics_port=0, lateness=1000, window=60_000, idle_after=2_000, checkpoint_every=200
)


class Shop:
    """A Kafka with our topics, and foreign ones that are made and filled here."""

    def __init__(self, bootstrap: str) -> None:
        self.broker: dict[str, object] = {"bootstrap.servers": bootstrap}
        self.name = f"test-ingest-{uuid.uuid4().hex[:8]}."
        self.topics = kafka.ensure_topics(self.broker, KafkaSettings(prefix=self.name), 4)
        self.admin = AdminClient(self.broker)
        self._producer = Producer(self.broker)

    def again(self) -> None:
        """Our topics anew, and the foreign ones as they are."""
        prefix = f"test-ingest-{uuid.uuid4().hex[:8]}."
        self.topics = kafka.ensure_topics(self.broker, KafkaSettings(prefix=prefix), 4)

    def topic(self, name: str, partitions: int = 1) -> str:
        """Makes a foreign topic."""
        made = f"{self.name}foreign-{name}"
        for future in self.admin.create_topics([NewTopic(made, partitions, 1)]).values():
            future.result(20)
        return made

    def put(self, topic: str, value: object, partition: int = 0, **more: object) -> None:
        given = value if isinstance(value, bytes) or value is None else json.dumps(value).encode()
        self._producer.produce(topic, given, partition=partition, **more)
        self._producer.poll(0)

    def flush(self) -> None:
        assert self._producer.flush(20) == 0

    def records(self, topic: str) -> list[Message]:
        """All that a topic of ours holds, partition by partition."""
        client = kafka.consumer(self.broker, wait=10)
        found = []
        for partition in range(kafka.partitions_of(client, topic)):
            found += kafka.between(client, topic, partition, *kafka.offsets(client, topic, partition))
        client.close()
        return found

    def events(self) -> list[dict]:
        """The events, ticks left out."""
        return [json.loads(one.value()) for one in self.records(self.topics.events) if one.key() is not None]

    def numbered(self) -> list[list[tuple[bytes, int]]]:
        """By partition of `events` the (source, row) of its records in order."""
        found: list[list[tuple[bytes, int]]] = [[], [], [], []]
        for one in self.records(self.topics.events):
            if one.key() is not None:
                headers = dict(one.headers())
                found[one.partition()].append((headers["source"], int(headers["row"])))
        return found

    def at_work(
        self, settings: IngestSettings, stream: StreamSettings = STREAM
    ) -> AbstractContextManager[list[BaseException]]:
        """An ingest in a thread while the context lasts; what it raises is raised at the end."""
        return at_work(ingest, self.broker, self.topics, settings, stream)

    def until_events(self, count: int) -> list[dict]:
        until(lambda: len(self.events()) >= count)
        return self.events()


def settings(*sources: dict, **more: object) -> IngestSettings:
    return IngestSettings.model_validate({"metrics_port": 0, "sources": list(sources), **more})


def views(topic: str, **more: object) -> dict:
    """How the shop's impressions are mapped."""
    return {
        "topic": topic,
        "kind": "impression",
        "user": "visitor.id",
        "item": "product.sku",
        "impression": "view",
        "time": "at",
        "time_unit": "s",
        "categories": "product.tags",
        "separator": ",",
    } | more


def clicks(topic: str, **more: object) -> dict:
    """How the shop's clicks are mapped: ids in headers and key, times as text."""
    return {
        "topic": topic,
        "kind": "click",
        "user": "key",
        "item": "sku",
        "impression": "header:view",
        "time": "when",
        "time_unit": "iso",
    } | more


def fill(shop: Shop, count: int, partitions: int = 3) -> tuple[str, str]:
    """Impressions of many users, each fourth clicked 5 s later, under names that are not ours."""
    seen, taken = shop.topic("views", partitions), shop.topic("clicks", partitions)
    for n in range(count):
        at = T // 1000 + n
        user, sku = f"u{n % 37}", n % 91
        view = {"visitor": {"id": user}, "product": {"sku": sku, "tags": "a,b"}, "view": f"v{n}", "at": at}
        shop.put(seen, view, n % partitions)
        if n % 4 == 0:
            when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at + 5))
            shop.put(
                taken,
                {"sku": sku, "when": when},
                n % partitions,
                key=user,
                headers={"view": f"v{n}".encode()},
            )
        if n % 50 == 7:
            shop.put(seen, b"{broken", n % partitions)
            shop.put(taken, {"sku": None, "when": "today"}, n % partitions, key=user)
    shop.flush()
    return seen, taken


def manifests(shop: Shop, holds: Callable[[Manifest], bool]) -> list[Manifest]:
    def found() -> list[Manifest]:
        all_of_them = [decode(Manifest, one.value()) for one in shop.records(shop.topics.periods)]
        return all_of_them if any(map(holds, all_of_them)) else []

    return until(found)


def samples_of(shop: Shop, store: Path, last: int) -> list[Manifest]:
    """Windows what is in events, after an end was written, and gives the manifests."""
    writer = kafka.Writer(shop.broker)
    for partition in range(4):
        writer.write(shop.topics.events, tick(last, end=True), partition=partition)
    writer.flush()
    with at_work(window, shop.broker, shop.topics, ParquetStore(store), STREAM):
        return manifests(shop, lambda one: one.reason == "end")
