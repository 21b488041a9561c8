"""A thread that runs while a context lasts."""

from __future__ import annotations

import threading
from collections.abc import Callable

#: Seconds that leaving waits for it to end: it may wait itself, for a Kafka that does not answer.
LEAVING = 2.0


class Job:
    """Its failure is raised where it is asked for."""

    def __init__(self, name: str, run: Callable[[threading.Event], None]) -> None:
        self._run, self._stop = run, threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._guarded, name=name, daemon=True)

    def __enter__(self) -> Job:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(LEAVING)

    def raise_if_failed(self) -> None:
        """Raises: what ended the thread."""
        if self._error is not None:
            raise self._error

    def _guarded(self) -> None:
        try:
            self._run(self._stop)
        except BaseException as error:
            self._error = error
