"""Memory of processes and size of folders, sampled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

MB = 1024 * 1024


@dataclass
class Sizes:
    """By name a size in MB at each time; what was not looked at, or is gone, repeats the one before."""

    hours: list[float] = field(default_factory=list)
    mb: dict[str, list[float]] = field(default_factory=dict)

    def add(self, hours: float, pids: Mapping[str, int], folders: Mapping[str, Path]) -> None:
        """Look now: resident memory of the processes, bytes of the files in the folders."""
        now = {name: _resident(pid) for name, pid in pids.items()}
        now |= {name: _files(folder) for name, folder in folders.items()}
        for name in now:
            self.mb.setdefault(name, [0.0] * len(self.hours))
        self.hours.append(hours)
        for name, series in self.mb.items():
            size = now.get(name)
            series.append((series[-1] if series else 0.0) if size is None else size)


def _resident(pid: int) -> float | None:
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]  # serving's processes that answer
        return sum(float(one.memory_info().rss) for one in family) / MB
    except psutil.Error:
        return None


def _files(folder: Path) -> float:
    size = 0
    for file in folder.rglob("*"):
        try:
            size += file.stat().st_blocks * 512  # Kafka's index files are long and mostly holes
        except FileNotFoundError:
            continue
    return size / MB
