"""How trainer and metagen follow and write the topics they agree by."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
from pydantic import BaseModel

from stream.errors import ConfigurationError, CorruptArtefact, MissingArtefact
from stream.kafka import GLANCE, Follower, Writer
from stream.records import Announcement, Manifest, Serve, Shadow, encode
from stream.samples import Samples
from stream.store import Store
from stream.topics import Topics
from trainer.announced import Announced
from trainer.lineage import name_of
from trainer.source import sha256_of

if TYPE_CHECKING:  # serving's keeper loads no torch
    import torch

#: What an announcement says made its model.
CODE_VERSION = version("asmg-stream")

#: Under which name settings of announcements tell the sha256 of the file that `trainer.base` names.
BASE_CODE = "base_sha256"

#: Settings of workers, with which nothing that they compute changes.
_OF_PROCESS = {"device", "metrics_port", "shadow", "shadow_metrics_port"}

Found = TypeVar("Found")

_log = logging.getLogger(__name__)
_said = set[str]()  # sha256 of code that was warned of


@dataclass(frozen=True)
class Workplace:
    """What a worker is given to work with."""

    kafka: Mapping[str, object]  # librdkafka's settings
    topics: Topics
    store: Store
    read: Callable[[Manifest], Samples]  # D_t in Order
    seed: int


class Logs:
    """The topics of periods and models from their beginning, and writing to those of models and `serve`.

    What is written counts only once it has been read back: somebody else's may have come first.
    """

    def __init__(self, place: Workplace) -> None:
        topics = place.topics
        self.announced = Announced(topics)
        self._topics = topics
        self._follower = Follower(place.kafka, self.announced.followed)
        self._writer = Writer(place.kafka)

    def __enter__(self) -> Logs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._follower.close()

    def catch_up(self, stop: threading.Event) -> None:
        """Read what was there when following began."""
        self.wait(lambda: self._follower.caught_up or None, stop)

    def wait(self, ask: Callable[[], Found | None], stop: threading.Event) -> Found | None:
        """What `ask` answers once it is not None; None when `stop` is set first. Raises: BrokerError."""
        while (found := ask()) is None and not stop.is_set():
            for message in self._follower.poll(GLANCE):
                self.announced.take(message.topic(), message.value())
        return found

    def manifest(self, period: int, stop: threading.Event) -> Manifest | None:
        """The accepted manifest of a period once it is there; None when stopped. Raises: BrokerError."""
        manifest = self.wait(lambda: self.announced.manifest(period), stop)
        return None if stop.is_set() else manifest

    def announce(self, mine: Announcement, stop: threading.Event) -> Announcement | None:
        """The accepted announcement of that kind and version, mine or an earlier one; None when stopped.

        Raises: BrokerError: Kafka did not take it.
        """
        if self.announced.model(mine.kind, mine.version) is None:
            self._writer.write(self._topics.models, encode(mine), key=name_of(mine).encode())
            self._writer.flush()
        return self.wait(lambda: self.announced.model(mine.kind, mine.version), stop)

    def supersede(self, mine: Announcement | Shadow, stop: threading.Event) -> None:
        """Let mine take the place of the one that it supersedes, or another that came first.

        Raises: BrokerError: Kafka did not take it.
        """

        def taken() -> bool | None:
            there = self.announced.counting(mine)
            return (there is not None and there.hash() != mine.supersedes) or None

        if taken() is None:
            topic = self._topics.shadows if isinstance(mine, Shadow) else self._topics.models
            self._writer.write(topic, encode(mine), key=name_of(mine).encode())
            self._writer.flush()
        self.wait(taken, stop)

    def announce_shadow(self, mine: Shadow, stop: threading.Event) -> Shadow | None:
        """The accepted announcement of that shadow and version, mine or an earlier one; None when stopped.

        Raises: BrokerError: Kafka did not take it.
        """
        key = (mine.name, mine.version)
        if key not in self.announced.shadows:
            self._writer.write(self._topics.shadows, encode(mine), key=name_of(mine).encode())
            self._writer.flush()
        return self.wait(lambda: self.announced.shadows.get(key), stop)

    def decide(self, mine: Serve, stop: threading.Event) -> Serve | None:
        """The gate's record of that period, mine or an earlier one; None when stopped.

        Raises: BrokerError: Kafka did not take it.
        """
        if mine.period not in self.announced.gate:
            self._writer.write(self._topics.serve, encode(mine), key=str(mine.period).encode())
            self._writer.flush()
        return self.wait(lambda: self.announced.gate.get(mine.period), stop)


def put_all(store: Store, parts: Mapping[str, pa.Table]) -> dict[str, str]:
    """Role -> name of every part, all of them durable. Raises: StoreError."""
    return {role: store.put(table) for role, table in parts.items()}


def get_all(
    store: Store, model: Announcement | Shadow, roles: Iterable[str] | None = None
) -> dict[str, pa.Table]:
    """Role -> part of everything an announcement names, or of some of it.

    Raises: MissingArtefact, CorruptArtefact: with the model, the part and the mend; StoreError.
    """
    parts = {}
    for role in model.parts if roles is None else roles:
        try:
            parts[role] = store.get(model.parts[role])
        except (MissingArtefact, CorruptArtefact) as error:
            raise type(error)(f"{_lost(model)}: part {role}: {error}") from error
    return parts


def _lost(model: Announcement | Shadow) -> str:
    name = name_of(model)
    if isinstance(model, Shadow):
        return f"the shadow {name} is not whole, restore it from a backup or take it out of trainer.shadow"
    return f"{name} is not whole, `asmg models mend {name}` makes it again"


def told(seed: int, device: torch.device, **settings: BaseModel) -> dict[str, Any]:
    """What a model's making was told, by section, less what concerns the process alone: with it, and what its
    parents are, anybody can make it again. Of a base model of one's own the code's sha256 is told too."""
    sections = {name: one.model_dump(mode="json", exclude=_OF_PROCESS) for name, one in settings.items()}
    base = sections.get("trainer", {}).get("base")
    return {"seed": seed, "device": device.type, **sections} | ({BASE_CODE: sha256_of(base)} if base else {})


def require_base(model: Announcement | Shadow, base: str | None) -> None:
    """Refuses a model of another base than `trainer.base` says here; of another state of its code it is said.

    Raises: ConfigurationError: the model was made with another.
    """
    then = model.settings.get("trainer", {}).get("base")
    if then != base:
        here, there = ("the built-in one" if one is None else one for one in (base, then))
        raise ConfigurationError(
            f"trainer.base is {here}, but {name_of(model)} was made with {there}: "
            "keep the one that a model began with"
        )
    code = model.settings.get(BASE_CODE)
    if base is not None and code is not None and code not in (sha256_of(base), *_said):
        _said.add(code)
        _log.warning(
            "trainer.base %s has changed: %s was made by a file of sha256 %.12s, the one here has %.12s",
            base, name_of(model), code, sha256_of(base),
        )  # fmt: skip


class Stopwatch:
    """Seconds by stage, each since the lap before."""

    def __init__(self) -> None:
        self.began = time.time_ns()  # wall clock
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Book the time since the last lap on a stage."""
        moment = time.perf_counter()
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + moment - self._last, 4)
        self._last = moment
