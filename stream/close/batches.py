"""Batches as they travel in `samples`: an Arrow message, and headers that say what it may be used for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
from confluent_kafka import Message

from stream.errors import CorruptRecord
from stream.records import Int
from stream.samples import Samples

#: A message above this size, in bytes, is split.
LARGEST = 4 * 1024 * 1024

#: The largest number in a header: what is added to it is an int64 still.
LARGEST_NUMBER = 2**62

Headers = list[tuple[str, bytes]]

_FORGOTTEN = msgspec.json.Decoder(tuple[tuple[Int, str], ...])


@dataclass(frozen=True)
class Reached:
    """How far the log of a partition had been read when a batch left; counts and times since the start."""

    watermark: int  # ms; every sample decided before it is in this batch or an earlier one
    ends: int  # end ticks met
    offset: int  # of `events`: the first that was not read
    event_at: int  # ms, when Kafka took the event that began the step
    counts: dict[str, int]  # used, pending, late, delayed, duplicate, dead, produced
    busy_ms: int  # for which input was waiting


@dataclass(frozen=True, eq=False)
class Batch:
    """Consecutive samples of one partition."""

    partition: int
    first: int  # number of the first sample, or of the next one where there is none
    samples: Samples
    reached: Reached
    forgotten: tuple[tuple[int, str], ...] = ()  # since when, ms of event time, and which user (`digest_of`)


def messages(batch: Batch, before: Reached) -> Iterator[tuple[bytes, Headers]]:
    """Value and headers of the records a batch is written as: several where it is large.

    before: what the batch before had reached, and all that the first pieces may promise.
    """
    value = batch.samples.encode() if len(batch.samples) else b""
    if len(value) <= LARGEST or len(batch.samples) == 1:
        yield value, _headers(batch)
        return
    middle = len(batch.samples) // 2
    some, rest = batch.samples.slice(0, middle), batch.samples.slice(middle, len(batch.samples))
    yield from messages(Batch(batch.partition, batch.first, some, before), before)
    last = Batch(batch.partition, batch.first + middle, rest, batch.reached, batch.forgotten)
    yield from messages(last, before)


def read_batch(message: Message, *, keys: bool = False) -> Batch:
    """The batch in a record of `samples`; with `keys` without its samples' categories and histories.

    Raises: CorruptRecord: there is none.
    """
    value = message.value()
    try:
        headers = dict(message.headers() or ())
        rows = _number(headers, "rows")
        batch = Batch(
            partition=_number(headers, "partition"),
            first=_number(headers, "first"),
            samples=(Samples.decode_keys if keys else Samples.decode)(value) if value else Samples.empty(),
            reached=reached(headers),
            forgotten=_FORGOTTEN.decode(headers.get("forgotten") or b"[]"),
        )
    except (KeyError, ValueError, msgspec.DecodeError) as error:
        raise CorruptRecord(f"a record of samples has unusable headers: {error}") from error
    as_told = rows == len(batch.samples) and np.array_equal(
        batch.samples.number, np.arange(batch.first, batch.first + rows)
    )
    if batch.partition != message.partition() or not as_told:
        raise CorruptRecord(f"a record of samples, partition {message.partition()}, belies its headers")
    return batch


def reached(headers: Mapping[str, bytes]) -> Reached:
    """What the headers of a record of `samples` promise. Raises: CorruptRecord: they are unusable."""
    try:
        return Reached(
            watermark=_number(headers, "watermark"),
            ends=_number(headers, "ends"),
            offset=_number(headers, "offset"),
            event_at=_number(headers, "event_at"),
            counts=msgspec.json.decode(headers["counts"] or b"", type=dict[str, Int]),
            busy_ms=_number(headers, "busy_ms"),
        )
    except (KeyError, ValueError, msgspec.DecodeError) as error:
        raise CorruptRecord(f"a record of samples has unusable headers: {error}") from error


def _number(headers: Mapping[str, bytes | None], name: str) -> int:
    """Raises: KeyError, ValueError: it is none that a batch can have."""
    number = int(headers[name] or b"")
    if abs(number) > LARGEST_NUMBER:
        raise ValueError(f"{name} is out of range")
    return number


def _headers(batch: Batch) -> Headers:
    reached = batch.reached
    numbers = {
        "partition": batch.partition,
        "first": batch.first,
        "rows": len(batch.samples),
        "watermark": reached.watermark,
        "ends": reached.ends,
        "offset": reached.offset,
        "event_at": reached.event_at,
        "busy_ms": reached.busy_ms,
    }
    headers = [(name, b"%d" % number) for name, number in numbers.items()]
    if batch.forgotten:
        headers.append(("forgotten", msgspec.json.encode(batch.forgotten)))
    return [*headers, ("counts", msgspec.json.encode(reached.counts))]
