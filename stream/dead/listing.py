"""Dead letters by topic and reason: how many, from when to when, an example, how many were replayed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer

from stream import kafka
from stream.dead.letters import Identity, Letter, OnProgress, Wanted
from stream.dead.marks import HEADER, Replayed
from stream.dead.reading import letter_in, records
from stream.errors import CorruptRecord
from stream.live.reasons import Reasons
from stream.topics import Topics

#: Of an example's bytes so many are shown.
EXAMPLE = 160


@dataclass
class Group:
    """Letters of one topic whose reasons differ in nothing but what they quote."""

    example: Letter  # the newest
    first: int  # ms, when Kafka took the first
    numbers: list[int] = field(default_factory=list)


def listing(
    client: Consumer, topics: Topics, wanted: Wanted, limit: int, on_progress: OnProgress
) -> dict[str, Any]:
    """What `--json` writes, of so many records of the topic, the newest.

    Raises: BrokerError, CorruptRecord: a mark of a replay cannot be read.
    """
    low, end = kafka.offsets(client, topics.dead_letters, 0)
    begin = max(low, end - limit)
    if wanted.since:
        begin = max(begin, kafka.offset_since(client, topics.dead_letters, 0, wanted.since))
    marks, reasons, unreadable = Replayed(), Reasons(), 0
    groups: dict[tuple[str, str], Group] = {}
    seen: set[Identity] = set()
    for message in records(client, topics.dead_letters, 0, begin, end, on_progress):
        if (kind := kafka.header(message, HEADER)) is not None:
            marks.take(kind, message.value())
            continue
        try:
            one = letter_in(message)
        except CorruptRecord:
            unreadable += 1
            continue
        if not wanted.holds(one) or one.identity in seen:
            continue
        seen.add(one.identity)
        key = one.place[0], reasons.name(one.reason.encode())
        group = groups.setdefault(key, Group(one, one.at))
        group.example = one
        group.numbers.append(one.number)
    return {
        "letters": len(seen),
        "older": begin > low and not wanted.since,
        "unreadable": unreadable,
        "groups": [
            _told(topic, reason, group, marks)
            for (topic, reason), group in sorted(groups.items(), key=lambda one: -len(one[1].numbers))
        ],
    }


def _told(topic: str, reason: str, group: Group, marks: Replayed) -> dict[str, Any]:
    one = group.example
    return {
        "topic": topic,
        "reason": reason,
        "letters": len(group.numbers),
        "replayed": sum(map(marks.holds, group.numbers)),
        "first": group.first,
        "last": one.at,
        "example": {
            "reason": one.reason,
            "partition": one.place[1],
            "offset": one.offset,
            "cut": one.cut,
            "value": (one.value or b"")[:EXAMPLE].decode(errors="replace"),
        },
    }
