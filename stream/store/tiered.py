"""Both together: a hot store in front, a durable one behind. Losing the hot one loses nothing.

| happens                                   | then                                                          |
|-------------------------------------------|---------------------------------------------------------------|
| a part is put                             | durable first, so that it may be announced; then hot          |
| the writer dies between the two           | whoever reads it first finds it behind, and puts it in front  |
| in front it is missing, or damaged        | read from behind, and put in front again                      |
| the hot store does not answer, or is slow | passed over for `AWAY` seconds, then asked again; logged once |
| it refuses (full, no permission)          | passed over this time; logged once                            |
| the durable store fails                   | the error is the caller's, as without a hot store             |
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

import pyarrow as pa
from prometheus_client import Counter, Gauge

from stream.errors import CorruptArtefact, MissingArtefact, StoreAway, StoreError
from stream.store.base import Store

#: Seconds for which a hot store that did not answer is not asked again.
AWAY = 30.0

_READS = Counter("asmg_store_reads", "Parts read", ["tier"])
_AWAY = Gauge("asmg_store_hot_away", "1 while the hot store does not answer")

T = TypeVar("T")

_log = logging.getLogger(__name__)


class TieredStore:
    """What is put is durable; what is read comes from the hot store where that has it."""

    def __init__(self, hot: Store, durable: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._hot, self._durable, self._clock = hot, durable, clock
        self._asked_from = clock()  # while the hot store is away: when it is asked again
        self._away = False
        self._refused: set[str] = set()  # what it was asked last and would not do

    def put(self, table: pa.Table) -> str:
        """Keep the table durably; its name. Raises: StoreError: it cannot be written."""
        name = self._durable.put(table)
        self._try("put", lambda: self._hot.put(table))
        return name

    def get(self, name: str) -> pa.Table:
        """The table of that name.

        Raises: MissingArtefact: there is none; CorruptArtefact: its content is another; StoreError: it
        cannot be read now.
        """
        found = self._try("get", lambda: self._from_hot(name))
        _READS.labels("durable" if found is None else "hot").inc()
        if found is None:
            found = self._durable.get(name)
            self._try("put", lambda: self._hot.put(found))
        return found

    def has(self, name: str) -> bool:
        """Whether a part of that name is kept durably. Raises: StoreError: that cannot be known now."""
        return self._durable.has(name)

    def delete(self, name: str) -> None:
        """Forget the part; nothing happens where there is none. Raises: StoreError: it cannot be done.

        A hot store that is away keeps it until nobody has used it for long: it is what its name says.
        """
        self._durable.delete(name)
        self._try("delete", lambda: self._hot.delete(name))

    def _from_hot(self, name: str) -> pa.Table | None:
        try:
            return self._hot.get(name)
        except MissingArtefact:
            return None
        except CorruptArtefact as error:
            _log.warning("%s; it is read from the durable store and replaced", error)
            self._hot.delete(name)
            return None

    def _try(self, what: str, act: Callable[[], T]) -> T | None:
        """What the hot store does; None where it is away or refuses, which is nobody's trouble."""
        if self._away and self._clock() < self._asked_from:
            return None
        try:
            done = act()
        except StoreAway as error:
            self._asked_from = self._clock() + AWAY
            if not self._away:
                _log.warning("%s; going on with the durable store, asking again every %.0f s", error, AWAY)
            self._away = True
            _AWAY.set(1)
            return None
        except StoreError as error:
            if what not in self._refused:
                _log.warning("%s (%s); going on with the durable store", error, what)
            self._refused.add(what)
            return None
        self._refused.discard(what)
        if self._away:
            _log.info("the hot store answers again")
            self._away = False
            _AWAY.set(0)
        return done
