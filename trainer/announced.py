"""What the topics of periods and models have said so far: the first of each number, or what supersedes it."""

from __future__ import annotations

from stream.close.manifests import Manifests
from stream.errors import CorruptRecord
from stream.records import Announcement, Kind, Manifest, Serve, Shadow, decode
from stream.topics import Topics


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
                self._take_model(decode(Announcement, value))
            elif topic == self.topics.shadows:
                self._take_shadow(decode(Shadow, value))
            elif topic == self.topics.serve:
                serve = decode(Serve, value)
                if serve.held_by is None and not serve.release:
                    self.gate.setdefault(serve.period, serve)
        except CorruptRecord:
            self.unreadable += 1

    def _take_model(self, model: Announcement) -> None:
        key = (model.kind, model.version)
        if model.supersedes is None:
            self.models.setdefault(key, model)
        elif key in self.models and self.models[key].hash() == model.supersedes:
            self.superseded[model.supersedes] = self.models[key]
            self.models[key] = model

    def _take_shadow(self, shadow: Shadow) -> None:
        key = (shadow.name, shadow.version)
        if shadow.supersedes is None:
            self.shadows.setdefault(key, shadow)
        elif key in self.shadows and self.shadows[key].hash() == shadow.supersedes:
            self.superseded[shadow.supersedes] = self.shadows[key]
            self.shadows[key] = shadow

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
