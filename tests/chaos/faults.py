"""Everything but death: workers and Kafka that stand still, a full disk, a read-only one, clocks."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from loop import Loop, Peace, Worker

from asmg.supervise import last_line
from stream.window.worker import SESSION

#: Seconds for which somebody stands still: longer than the group waits for a window worker.
STILL = SESSION / 1000 + 2.0

#: Who stands still at a time: each is a wait of `STILL`.
TURNS = (("window",), ("train", "metagen", "shadow", "serve", "replay"), ("Kafka",))

#: Bytes of the disk that a run has.
DISK = 256 * 1024 * 1024

#: What a worker says when it ends since its disk cannot be written: full, and read-only.
FULL, READ_ONLY = "No space left on device", "Read-only file system"


@contextmanager
def disk(folder: Path) -> Iterator[bool]:
    """A small file system at the folder while the context lasts; False where none may be mounted."""
    folder.mkdir(parents=True)
    options = ["-t", "tmpfs", "-o", f"size={DISK}", "asmg-test", str(folder)]
    mounted = (
        os.geteuid() == 0
        and subprocess.run(["mount", *options], capture_output=True, check=False).returncode == 0
    )
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)


class Pauses(Peace):
    """Each stands still in turn, for longer than anybody waits for it, and goes on as if nothing had been."""

    def __init__(self) -> None:
        self._began_at = 0.0

    def __str__(self) -> str:
        return f"{self.count} pauses of {len(TURNS)}"

    @property
    def done(self) -> bool:
        """Whether everybody stood still once, and goes on."""
        return self.count == len(TURNS)

    def command(self, worker: str, words: Sequence[str]) -> list[str]:
        """The worker, its wall clock jumping."""
        return [str(Path(__file__).with_name("jumping.py")), *words]

    def look(self, loop: Loop) -> None:
        """Stops who is next once a period more is decided, and has it go on after a while."""
        if self.done:
            return
        pids = [
            pid
            for name, pid in [
                *(("Kafka", pid) for pid in loop.broker.pids),
                *((one.name, one.process.pid) for one in loop.workers if not one.finished),
            ]
            if name in TURNS[self.count]
        ]
        if not self._began_at and loop.decided > self.count:
            self._signal(pids, signal.SIGSTOP)
            self._began_at = time.monotonic()
        elif self._began_at and time.monotonic() - self._began_at > STILL:
            self._signal(pids, signal.SIGCONT)
            print(f"     {', '.join(TURNS[self.count])} stood still for {STILL:.0f} s", file=sys.stderr)
            self.count, self._began_at = self.count + 1, 0.0

    def _signal(self, pids: Sequence[int], number: int) -> None:
        for pid in pids:
            os.kill(pid, number)


class Disk(Peace):
    """The store's disk is full for a while, then read-only: workers say so, and end, and come again."""

    def __init__(self, folder: Path) -> None:
        self.said = set[str]()
        self._folder, self._ballast = folder, folder / "ballast"
        #: What is done next, from which period on, and once somebody has said what.
        self._turns = deque(
            [
                (self._fill, 2, None),
                (self._free, 0, FULL),
                (self._lock, 4, None),
                (self._unlock, 0, READ_ONLY),
            ]
        )

    def __str__(self) -> str:
        return f"disk, {self.count} times changed, heard {sorted(self.said)}"

    @property
    def done(self) -> bool:
        """Whether it was full and read-only, and can be written again."""
        return not self._turns

    def ended(self, worker: Worker, status: int) -> None:
        """Raises: Failed: it does not say that the disk is why."""
        said = last_line(worker.log)
        why = [one for one in (FULL, READ_ONLY) if one in said]
        if not why:
            super().ended(worker, status)
        self.said.update(why)

    def look(self, loop: Loop) -> None:
        """The disk's next state, once it is time."""
        if self.done:
            return
        act, period, heard = self._turns[0]
        if loop.decided < period or (heard is not None and heard not in self.said):
            return
        try:
            act()
        except subprocess.CalledProcessError:
            return  # somebody is writing just now
        self.count += 1
        self._turns.popleft()

    def _fill(self) -> None:
        with self._ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:  # nothing is kept back in a buffer, which closing would fail to write
                file.write(bytes(1024 * 1024))

    def _free(self) -> None:
        self._ballast.unlink()

    def _lock(self) -> None:
        self._remount("ro")

    def _unlock(self) -> None:
        self._remount("rw")

    def _remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(self._folder)], check=True, capture_output=True)
