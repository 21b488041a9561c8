"""How much memory processes take together, pages that they share counted once."""

from __future__ import annotations

from collections.abc import Iterable

import psutil

_MB = 1024 * 1024


class Peak:
    """The largest sum that was sampled."""

    def __init__(self) -> None:
        self.mb = 0.0

    def sample(self, pids: Iterable[int], alone: Iterable[int] = ()) -> None:
        """Look at these processes with their children, and at some without; those gone count for nothing."""
        every = {one.pid: one for pid in pids for one in _family(pid)}
        every |= {one.pid: one for pid in alone for one in _family(pid)[:1]}
        self.mb = max(self.mb, sum(map(_bytes, every.values())) / _MB)


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _bytes(process: psutil.Process) -> int:
    try:
        memory = process.memory_full_info()
    except psutil.Error:
        return 0
    return int(getattr(memory, "pss", memory.uss))  # pss: Linux alone divides what is shared
