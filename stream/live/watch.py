"""What the live view has read so far, topic by topic, and the last period beside the one before it."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable

import faust
from faust.types import TP, Message, StreamT

from stream.close.batches import reached
from stream.close.manifests import Manifests
from stream.dead.marks import HEADER
from stream.errors import AsmgError, CorruptRecord
from stream.live.drift import Popularity, drift, popularity
from stream.live.fates import Fates, of_period
from stream.live.metrics import UNKNOWN, Period, View
from stream.live.reader import Places
from stream.live.reasons import Reasons
from stream.live.recent import Recent
from stream.records import Manifest, decode, now
from stream.samples import Samples
from stream.topics import Topics
from stream.window.log import decode as decode_events

_log = logging.getLogger(__name__)


class Watch:
    """Four agents of a Faust app, one a topic, and what they have found."""

    def __init__(
        self,
        app: faust.App,
        topics: Topics,
        recent: Recent,
        places: Places,
        read: Callable[[Manifest], Samples],
    ) -> None:
        self._app, self._topics, self._recent, self._places, self._read = app, topics, recent, places, read
        self._fates, self._reasons, self._chain = Fates(), Reasons(), Manifests()
        self._period = Period()
        self._popular: tuple[int, Popularity] | None = None  # of the last period read
        self._comparing: asyncio.Task[None] | None = None
        for topic, agent in (
            (topics.events, self._events),
            (topics.samples, self._samples),
            (topics.periods, self._periods),
            (topics.dead_letters, self._dead_letters),
        ):
            channel = app.topic(topic, key_serializer="raw", value_serializer="raw", acks=False)
            app.agent(channel, name=topic)(agent)

    def view(self) -> View:
        """All of it, now."""
        return View(self._recent.told(now()), self._fates.counts, self._period, self._behind())

    def compare(self) -> None:
        """Begin to compare the last period with the one before, if that is not done or being done.

        Raises: what comparing raised that is no failure of Kafka's or the samples'.
        """
        if self._comparing is not None and self._comparing.done():
            self._comparing.result()
            self._comparing = None
        if self._comparing is None and len(self._chain) - 1 > self._period.number:
            self._comparing = asyncio.create_task(self._compare(*self._chain[-2:]))

    async def _compare(self, before: Manifest, last: Manifest) -> None:
        found = UNKNOWN
        try:
            if before.period > 0:
                found = drift(await self._popularity(before), await self._popularity(last))
        except AsmgError as error:
            _log.warning("period %d is not compared with the one before: %s", last.period, error)
        self._period = Period(last.period, found, of_period(before, last))

    async def _popularity(self, manifest: Manifest) -> Popularity:
        if self._popular is None or self._popular[0] != manifest.period:
            found = await asyncio.to_thread(lambda: popularity(self._read(manifest)))
            self._popular = manifest.period, found
        return self._popular[1]

    async def _new(self, stream: StreamT[bytes]) -> AsyncIterator[Message]:
        """What has not been read before: a partition may be read again from an earlier place."""
        async for event in stream.noack().events():
            message = event.message
            place = TP(message.topic, message.partition)
            if message.offset >= self._places[place]:
                self._places[place] = message.offset + 1
                yield message

    async def _events(self, stream: StreamT[bytes]) -> None:
        async for message in self._new(stream):
            (event,) = decode_events([message.value])
            self._recent.event(event, _ms(message))

    async def _samples(self, stream: StreamT[bytes]) -> None:
        async for message in self._new(stream):
            try:
                self._fates.take(message.partition, reached(dict(message.headers or ())))
            except CorruptRecord as error:
                _log.warning("%s", error)

    async def _periods(self, stream: StreamT[bytes]) -> None:
        async for message in self._new(stream):
            try:
                self._chain.take(decode(Manifest, message.value))
            except CorruptRecord as error:
                _log.warning("%s", error)

    async def _dead_letters(self, stream: StreamT[bytes]) -> None:
        async for message in self._new(stream):
            headers = dict(message.headers or ())
            if HEADER not in headers:
                self._recent.dead_letter(self._reasons.name(headers.get("reason")), _ms(message))

    def _behind(self) -> float:
        """Records of `events` that are in Kafka and not here; NaN while Kafka has not told."""
        mine = [place for place in self._places if place.topic == self._topics.events]
        if not self._app.consumer.assignment() >= set(mine):
            return math.nan
        ends = [self._app.consumer.highwater(place) for place in mine]
        if None in ends:
            return math.nan
        return float(sum(end - self._places[place] for place, end in zip(mine, ends, strict=True)))


def _ms(message: Message) -> int:
    taken_at: int = round(message.timestamp * 1000)  # Faust has made it seconds
    return taken_at
