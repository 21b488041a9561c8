"""From words to models: what is announced and said, and the service brought to the model to serve."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Protocol

from metagen.gate import refusal
from serving import metrics
from serving.board import Row, Swap, rows
from serving.bundle import Bundle
from serving.canary import challenger_of
from serving.fetch import fetch
from serving.health import Standing
from serving.words import Words
from stream import log, traces
from stream.errors import AsmgError, CorruptRecord
from stream.records import Announcement, Kind, Serve, decode
from stream.store import Store
from stream.topics import Topics
from trainer.announced import Announced
from trainer.lineage import name_of
from trainer.settings import TrainerSettings

#: Seconds after which a model that was refused is tried again: a part may have come.
RETRY = 5.0
#: Earlier words that are tried where nothing serves and the newest word's model is refused.
FALLBACKS = 5

_log = logging.getLogger(__name__)


class Desk(Protocol):
    """Where requests are answered (`serving.crew.Crew`)."""

    standing: Standing | None

    def bring(self, bundle: Bundle, standing: Standing) -> None:
        """Answer with this model from now on, none beside it. Raises: CorruptArtefact: it cannot be used."""

    def put_beside(self, bundle: Bundle, kind: Kind, version: int) -> None:
        """Keep this model for comparisons. Raises: CorruptArtefact: it cannot be used."""


class Succession:
    """Takes the records of `periods`, `models` and `serve`, and keeps the desk at the word's model.

    A model that is refused changes nothing: the last good one serves on. Where nothing serves yet the words
    before are tried, unless an operator holds.
    """

    def __init__(
        self,
        desk: Desk,
        store: Store,
        topics: Topics,
        trainer: TrainerSettings,
        now: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.announced, self.words = Announced(topics), Words()
        self.swaps: dict[int, Swap] = {}
        self.refused: str | None = None  # why the word's model is not served
        self._desk, self._store, self._topics = desk, store, topics
        self._trainer = trainer
        self._now, self._clock = now, clock
        self._retry_at: dict[tuple[str, int], float] = {}
        self._compared: tuple[Kind, int] | None = None
        self._rows: list[Row] | None = None

    def take(self, topic: str, value: bytes | None) -> None:
        """One record of one of the three topics."""
        self.announced.take(topic, value)
        self._rows = None
        if topic == self._topics.serve:
            with suppress(CorruptRecord):  # counted by `announced`
                self.words.take(decode(Serve, value))

    def rows(self) -> list[Row]:
        """The board; the same object while nothing changes."""
        if self._rows is None:
            self._rows = rows(self.announced, self.swaps)
        return self._rows

    def step(self, awaited: bool) -> None:
        """Bring the service to the current word.

        awaited: the word has come while this process followed, so its swap says how fast the loop is.
        """
        for word in self._wanted():
            if self._serve(word, awaited):
                return

    def compare(self, answers: bool = False) -> None:
        """Put another kind of the version that serves beside it, once it is there (`challenger_of`).

        answers: users may get it, so a Θ* that the gate refuses, whatever it scored before, is left out.
        """
        serving = self._desk.standing
        if serving is None:
            return
        name: tuple[Kind, int] = (challenger_of(serving.kind), serving.version)
        announced = self.announced.model(*name)
        if announced is None or name == self._compared:
            return
        self._compared = name  # tried once: nothing is lost where it fails but a comparison
        if answers and (why := _refused(announced)) is not None:
            _log.warning("%s/%d is no challenger of what serves: %s", *name, why)
            return
        try:
            bundle = Bundle(fetch(self._store, announced, self._trainer))
            self._desk.put_beside(bundle, *name)
        except AsmgError as error:
            _log.warning("%s/%d is not compared with what serves: %s", *name, error)

    def _wanted(self) -> Iterator[Serve]:
        """Words whose models would be an improvement, best first."""
        word, serving = self.words.current, self._desk.standing
        if word is None or (serving is not None and serving.follows(word)):
            self.refused = None
            return
        yield word
        if serving is None and word.held_by is None:
            yield from reversed(self.words.gate[-1 - FALLBACKS : -1])

    def _serve(self, word: Serve, awaited: bool) -> bool:
        """Whether the word's model serves now."""
        name = (word.kind, word.version)
        announced = self.announced.model(*name)
        if announced is None or self._clock() < self._retry_at.get(name, 0.0):
            return False
        began, at = time.perf_counter(), time.time_ns()
        try:
            bundle = Bundle(fetch(self._store, announced, self._trainer))
            held = word.held_by is not None
            standing = Standing(word.version, word.kind, word.period, self._now(), held)
            self._desk.bring(bundle, standing)
            self._compared = None  # nothing stands beside it yet
        except AsmgError as error:
            self._refuse(word, str(error))
            return False
        seconds = time.perf_counter() - began
        if word is self.words.current:
            self.refused = None
        self._retry_at.pop(name, None)
        if not held:
            swap = Swap(word.period, word.kind, word.version, standing.since, seconds, awaited)
            self.swaps.setdefault(word.period, swap)
            self._rows = None
            manifest = self.announced.manifest(word.period)
            if awaited and manifest is not None:
                traces.work_done(manifest, "swap", at, {}, version=name_of(word))
        metrics.SWAPS.inc()
        metrics.SWAP_SECONDS.observe(seconds)
        metrics.VERSION.set(word.version)
        metrics.STAR.set(word.kind == "star")
        _log.info("%s/%d serves after %.3f s: %s", *name, seconds, word.reason, extra=_of(word))
        return True

    def _refuse(self, word: Serve, why: str) -> None:
        name = (word.kind, word.version)
        metrics.REFUSED.inc()
        if name not in self._retry_at:
            serving = self._desk.standing
            stays = f"{serving.kind}/{serving.version} serves on" if serving else "nothing serves"
            _log.error("%s/%d is refused, %s: %s", *name, stays, why, extra=_of(word))
        self._retry_at[name] = self._clock() + RETRY
        if word is self.words.current:
            self.refused = why


def _of(word: Serve) -> dict[str, object]:
    return log.of(word.period, name_of(word))


def _refused(model: Announcement) -> str | None:
    """Why the gate refuses the model, by the bound that it was made under; None where it does not."""
    no_bound = 1.0  # a distance of distributions is never larger
    return refusal(model.outlook, model.settings.get("metagen", {}).get("gate_jump", no_bound))
