"""What the topics of periods and models have said so far: the first of each number, or what supersedes it."""

from __future__ import annotations

from typing import TypeVar

from stream.close.manifests import Manifests
from stream.errors import CorruptRecord
from stream.records import Announcement, Kind, Manifest, Serve, Shadow, decode
from stream.topics import Topics

Key = TypeVar("Key")
Made = TypeVar("Made", Announcement, Shadow)


class Announced:
    """Takes records in the order of their topics; records nobody can read are counted and passed over."""

    def __init__(self, topics: Topics) -> None:
        self.topics = topics
        self.manifests = Manifests()
        self.models: dict[tuple[Kind, int], Announcement] = {}
        self.superseded: dict[str, Announcement | Shadow] = {}  # by hash: counted once, and do no more
        self.shadows: dict[tuple[str, int], Shadow] = {}  # by name and version
        self.gate: dict[int, Serve] = {}  # by period, the gate's own
        self.unreadable = 0

    @property
    def followed(self) -> dict[tuple[str, int], int]:
        """(topic, partition) -> the offset to read from, of all topics that `take` knows."""
        topics = self.topics
        return dict.fromkeys(
            ((name, 0) for name in (topics.periods, topics.models, topics.shadows, topics.serve)), 0
        )

    def take(self, topic: str, value: bytes | None) -> None:
        """One record of one of `followed`."""
        try:
            if topic == self.topics.periods:
                self.manifests.take(decode(Manifest, value))
            elif topic == self.topics.models:
                model = decode(Announcement, value)
                self._accept(self.models, (model.kind, model.version), model)
            elif topic == self.topics.shadows:
                shadow = decode(Shadow, value)
                self._accept(self.shadows, (shadow.name, shadow.version), shadow)
            elif topic == self.topics.serve:
                serve = decode(Serve, value)
                if serve.held_by is None and not serve.release:
                    self.gate.setdefault(serve.period, serve)
        except CorruptRecord:
            self.unreadable += 1

    def _accept(self, accepted: dict[Key, Made], key: Key, one: Made) -> None:
        if one.supersedes is None:
            accepted.setdefault(key, one)
        elif key in accepted and accepted[key].hash() == one.supersedes:
            self.superseded[one.supersedes] = accepted[key]
            accepted[key] = one

    def counting(self, one: Announcement | Shadow) -> Announcement | Shadow | None:
        """What counts in the place of a model: itself, or what has superseded it."""
        if isinstance(one, Shadow):
            return self.shadows.get((one.name, one.version))
        return self.model(one.kind, one.version)

    def manifest(self, period: int) -> Manifest | None:
        """The accepted manifest of a period."""
        return self.manifests[period] if period < len(self.manifests) else None

    def model(self, kind: Kind, version: int) -> Announcement | None:
        """The accepted announcement of a model."""
        return self.models.get((kind, version))

    def last_theta(self) -> int:
        """The last version up to which every Θ is announced, 0 for none."""
        version = 0
        while ("theta", version + 1) in self.models:
            version += 1
        return version

    def last_shadow(self, name: str) -> int:
        """The last version up to which every one of a shadow is announced, 0 for none."""
        version = 0
        while (name, version + 1) in self.shadows:
            version += 1
        return version

    def last_decided(self) -> int:
        """The last period up to which the gate has decided every one, 0 for none."""
        period = 0
        while period + 1 in self.gate:
            period += 1
        return period
