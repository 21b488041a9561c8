"""Workers as child processes: started, started again when they die, stopped in order.

A worker's stdin is a pipe of ours, so it learns of our end however we end (asmg/workers.py); and it runs in
a session of its own, so Ctrl-C reaches us alone and we decide who stops first.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from asmg.environment import SUPERVISED
from asmg.errors import WorkerFailed

#: A worker that has not lived for `SETTLED` seconds may be started again this often in a row.
RESTARTS = 4
SETTLED = 60.0

#: Seconds a worker may take to stop by itself before it is killed, which harms nothing.
STOPPING = 15.0

#: How much of the end of a log is read for the last thing a worker said, in bytes.
_TAIL = 4096


@dataclass(frozen=True)
class Worker:
    """One process: its name, its command line, and whether ending well is the end of its work."""

    name: str
    command: Sequence[str]
    ends: bool = False


@dataclass
class _Child:
    worker: Worker
    process: subprocess.Popen[bytes]
    born: float = field(default_factory=time.monotonic)
    in_a_row: int = 0  # starts since it last lived for long
    restarted: int = 0
    finished: bool = False


class Supervisor:
    """Runs workers; what they say goes to `logs`/NAME.log. `keep_open` are descriptors that they inherit."""

    def __init__(
        self,
        logs: Path,
        keep_open: Sequence[int] = (),
        on_restart: Callable[[str, str], None] = lambda name, why: None,  # noqa: ARG005 named for callers
    ) -> None:
        self._logs, self._keep_open, self._on_restart = logs, keep_open, on_restart
        self._children: dict[str, _Child] = {}

    def start(self, workers: Sequence[Worker]) -> None:
        """Start each, in order; they are stopped in that order too."""
        self._logs.mkdir(parents=True, exist_ok=True)
        for worker in workers:
            self._children[worker.name] = _Child(worker, self._spawn(worker))

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of those that run, by name."""
        return {
            name: child.process.pid
            for name, child in self._children.items()
            if not child.finished and child.process.returncode is None
        }

    @property
    def restarts(self) -> dict[str, int]:
        """How often each was started again, those never left out."""
        return {name: child.restarted for name, child in self._children.items() if child.restarted}

    def finished(self, name: str) -> bool:
        """Whether a worker that ends by itself has done its work."""
        return self._children[name].finished

    def log(self, name: str) -> Path:
        """Where a worker's words go."""
        return self._logs / f"{name}.log"

    def look(self) -> None:
        """Start again those that died. Raises: WorkerFailed: one died too often."""
        for name, child in self._children.items():
            if child.finished or child.process.poll() is None:
                continue
            _close(child.process)
            if child.worker.ends and child.process.returncode == 0:
                child.finished = True
                continue
            self._may_restart(child)
            self._on_restart(name, self._why(child))
            child.process = self._spawn(child.worker)

    def stop(self) -> None:
        """Tell all to stop, in the order they were started, wait for them, and kill whoever does not.

        Who stops when changes nothing that is computed; together they are quicker than in turn.
        """
        for child in self._children.values():
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOPPING
        for child in self._children.values():
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
            _close(child.process)

    def _why(self, child: _Child) -> str:
        """How it ended, and what it said last if it ended by itself."""
        status = child.process.returncode
        return _how(status) if status < 0 else f"{_how(status)}: {last_line(self.log(child.worker.name))}"

    def _may_restart(self, child: _Child) -> None:
        if time.monotonic() - child.born > SETTLED:
            child.in_a_row = 0
        if child.in_a_row >= RESTARTS:
            log = self.log(child.worker.name)
            raise WorkerFailed(
                f"{child.worker.name} died {RESTARTS + 1} times in a row, last by {self._why(child)} "
                f"(see {log})"
            )
        child.in_a_row += 1
        child.restarted += 1
        child.born = time.monotonic()

    def _spawn(self, worker: Worker) -> subprocess.Popen[bytes]:
        with self.log(worker.name).open("ab") as log:
            return subprocess.Popen(
                worker.command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, SUPERVISED: "1"},
                start_new_session=True,
                pass_fds=self._keep_open,
            )


def last_line(log: Path) -> str:
    """The last line of a log that is not empty, or that it is silent."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        lines = []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


def _how(status: int | None) -> str:
    if status is not None and status < 0:
        return signal.Signals(-status).name
    return f"exit status {status}"


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
