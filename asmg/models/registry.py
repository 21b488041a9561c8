"""The models there are, and which one somebody means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from confluent_kafka import Consumer

from asmg.config import Settings
from asmg.running import running
from asmg.workers import durable_of, store_of
from serving.words import Words
from stream import kafka
from stream.close.read import PeriodReader
from stream.errors import ConfigurationError, CorruptRecord
from stream.records import KINDS, Announcement, Serve, decode
from stream.store import Store
from trainer.announced import Announced
from trainer.kafka import Workplace
from trainer.lineage import name_of


@dataclass(frozen=True)
class Registry:
    """What the topics say of models and of what serves, read once."""

    place: Workplace  # its store is the durable one: a copy in Redis must not hide that a part is lost
    client: Consumer
    announced: Announced
    words: Words
    copies: Store | None = None  # behind Redis, which may still have what the durable store has lost
    base: str | None = None  # `trainer.base` here: a model that records another is not made again

    @property
    def serving(self) -> str | None:
        """Name of the model that is to serve: an operator's, or the gate's newest; None before the first."""
        word = self.words.current
        return name_of(word) if word else None

    def models(self) -> list[Announcement]:
        """All there are, by version, Θ first."""
        return sorted(self.announced.models.values(), key=lambda one: (one.version, KINDS.index(one.kind)))

    def meant(self, text: str) -> Announcement:
        """The model of a name, "star/31", or of a period, "31": what the gate let serve after it.

        Raises: ConfigurationError: there is none.
        """
        kind, slash, number = text.rpartition("/")
        version = int(number) if number.isdecimal() else -1
        if not slash and version in self.announced.gate:
            word = self.announced.gate[version]
            kind, version = word.kind, word.version
        for known in KINDS:
            if kind == known and (found := self.announced.model(known, version)):
                return found
        raise ConfigurationError(f"there is no model {text}: {self._there_are()}")

    def _there_are(self) -> str:
        versions = {kind: [v for k, v in self.announced.models if k == kind] for kind in KINDS}
        spans = [f"{kind}/{min(v)} to {kind}/{max(v)}" for kind, v in versions.items() if v]
        return "there are " + " and ".join(spans) if spans else "none has been announced yet"


@contextmanager
def registry(settings: Settings) -> Iterator[Registry]:
    """The models of what runs here, or ran. Raises: AsmgError."""
    with running(settings) as (located, broker, topics, client):
        announced, words = Announced(topics), Words()
        store = durable_of(located)
        reader = PeriodReader(broker, topics, store)
        place = Workplace(broker, topics, store, reader, located.stream.seed)
        follower = kafka.Follower(broker, announced.followed)
        try:
            while not follower.caught_up:
                for message in follower.poll(kafka.GLANCE):
                    announced.take(message.topic(), message.value())
                    if message.topic() == topics.serve:
                        with suppress(CorruptRecord):  # counted by `announced`
                            words.take(decode(Serve, message.value()))
            yield Registry(place, client, announced, words, store_of(located), located.trainer.base)
        finally:
            follower.close()
            reader.close()
