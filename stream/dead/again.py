"""Records of which a letter holds only a part, read again from the topic where they lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace

from confluent_kafka import Message

from stream import kafka
from stream.dead.letters import Letter
from stream.dead.marks import joined
from stream.ingest.marks import Place
from stream.ingest.source import record_of

#: Records read at a time: each has a megabyte or more.
_BLOCK = 20


def read_again(broker: Mapping[str, object], cut: Iterable[Letter]) -> Iterator[tuple[Letter, bool]]:
    """Each letter with all of its record, and True; as it was, and False where Kafka has the record no more.

    broker: librdkafka's settings of the Kafka with the records. Raises: BrokerError.
    """
    by_place: dict[Place, dict[int, list[Letter]]] = {}
    for one in cut:
        by_place.setdefault(one.place, {}).setdefault(one.offset, []).append(one)
    with closing(kafka.consumer(broker, wait=10)) as client:
        for place, wanted in by_place.items():
            low, end = kafka.offsets(client, *place) if kafka.is_there(client, place[0]) else (0, 0)
            for first, last in joined((offset, offset + 1) for offset in wanted):
                for begin in range(first, last, _BLOCK):
                    stop = min(begin + _BLOCK, last)
                    messages = kafka.between(client, *place, max(begin, low), min(stop, end))
                    found = {message.offset(): message for message in messages}
                    for offset in range(begin, stop):
                        for one in wanted[offset]:
                            yield _whole(one, found.get(offset))


def _whole(one: Letter, message: Message | None) -> tuple[Letter, bool]:
    """False too where another record lies there now: its topic has been made anew."""
    if message is None or not (message.value() or b"").startswith(one.value or b""):
        return one, False
    record = record_of(message, None)
    return replace(one, value=message.value(), record=record, cut=False), True
