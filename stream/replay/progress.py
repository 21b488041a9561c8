"""The bar a replay shows on a terminal."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Bar(AbstractContextManager["Bar"]):
    """An `on_progress` that draws itself while it is entered; on what is no terminal it draws nothing."""

    def __init__(self, name: str, console: Console | None = None) -> None:
        console = console or Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:,.0f} events/s"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(f"replay {name}", total=None, rate=0.0)

    def __call__(self, done: int, total: int, rate: float) -> None:
        """Shows that `done` of `total` rows are in Kafka, at `rate` events/s."""
        self._progress.update(self._task, completed=done, total=total, rate=rate)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
