"""How much memory processes take together, pages that they share counted once."""

from __future__ import annotations

from collections.abc import Iterable

import psutil

_MB = 1024 * 1024


class Peak:
    """The largest sum that was sampled."""

    def __init__(self) -> None:
        self.mb = 0.0

    def sample(self, pids: Iterable[int]) -> None:
        """Look at these processes now; those that are gone count for nothing."""
        self.mb = max(self.mb, sum(map(_bytes, pids)) / _MB)


def _bytes(pid: int) -> int:
    try:
        memory = psutil.Process(pid).memory_full_info()
    except psutil.Error:
        return 0
    return int(getattr(memory, "pss", memory.uss))  # pss: Linux alone divides what is shared
