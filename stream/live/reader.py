"""The Faust app of the live view: it reads from places of its own, not from committed offsets."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

import faust
from faust.transport.drivers import aiokafka
from faust.types import TP

from stream import kafka
from stream.live.connection import Connection
from stream.topics import Topics

#: Records of a partition that are read again at a start, at most: a view that never catches up shows nothing.
RECALLED = 50_000

#: Partition -> the next offset to be read.
Places = dict[TP, int]


def begin(broker: Mapping[str, object], topics: Topics, partitions: int, since: int) -> Places:
    """What a view of the time since then (ms, Kafka's) has to read: of `events` and `dead-letters` what came
    since; of `samples` the last record, whose counts are of all time; of `periods` all.

    Raises: BrokerError.
    """
    client = kafka.consumer(broker, wait=100)
    try:
        places: Places = {TP(topics.periods, 0): kafka.offsets(client, topics.periods, 0)[0]}
        recent = [(topics.dead_letters, 0), *((topics.events, one) for one in range(partitions))]
        for topic, one in recent:
            _, end = kafka.offsets(client, topic, one)
            places[TP(topic, one)] = max(kafka.offset_since(client, topic, one, since), end - RECALLED, 0)
        for one in range(partitions):
            first, end = kafka.offsets(client, topics.samples, one)
            places[TP(topics.samples, one)] = max(first, end - 1)
    finally:
        client.close()
    return places


def reader(connection: Connection, prefix: str, places: Places, folder: Path) -> faust.App:
    """A Faust app that reads each partition from its place in `places`, now and after a rebalance.

    Its group is its own and commits nothing: nobody waits for one that was killed, and Kafka forgets the
    group with it. It has no tables, declares no topics and serves no pages; what Faust makes folders for goes
    into `folder`.
    """
    app = faust.App(
        f"{prefix}live-{secrets.token_hex(4)}",
        broker=connection.urls,
        broker_client_id=connection.client_id,
        broker_credentials=_credentials(connection),
        consumer_auto_offset_reset="earliest",  # where what was to be read next is no longer kept
        topic_allow_declare=False,
        topic_disable_leader=True,
        store="memory://",
        datadir=folder,
        web_enabled=False,
    )

    class Consumer(aiokafka.Consumer):  # type: ignore[misc]
        """Takes its places for what others take from committed offsets."""

        async def seek_to_committed(self) -> Mapping[TP, int]:
            """Seeks every partition to its place."""
            mine = {one: places[TP(*one)] for one in self.assignment()}
            await self.seek_wait(mine)
            return mine

    Consumer.logger = aiokafka.Consumer.logger  # or what it says would be said in our name
    app.transport.Consumer = Consumer
    return app


def _credentials(connection: Connection) -> faust.SASLCredentials | faust.SSLCredentials | None:
    if connection.sasl is not None:
        sasl = connection.sasl
        return faust.SASLCredentials(
            username=sasl.username,
            password=sasl.password,
            mechanism=sasl.mechanism,
            ssl_context=connection.tls,
        )
    return faust.SSLCredentials(connection.tls) if connection.tls is not None else None
