"""Load from wrk: as many requests as so many connections get through, each sent when the last is answered."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from stream.errors import ConfigurationError

_SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True)
class Latency:
    """What callers saw."""

    requests: int
    seconds: float
    failed: int  # errors of sockets, statuses from 400 on
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float

    @property
    def per_second(self) -> float:
        """Throughput."""
        return self.requests / self.seconds


@dataclass(frozen=True)
class Load:
    """Bodies, one a line, for one path."""

    bodies: Path
    path: str
    connections: int
    cpus: str  # of wrk, as taskset takes them

    def begin(self, address: str, seconds: float) -> subprocess.Popen[str]:
        """Start; `end` waits for it. Raises: ConfigurationError: there is no wrk."""
        wrk = shutil.which("wrk")
        if wrk is None:
            raise ConfigurationError("no wrk on PATH: install it (Debian: apt-get install wrk)")
        # What shares its CPU must not hold up the clock. Root may have it go first, by real time: a niceness
        # counts within a session alone, and has it wait for the end of what another one is at.
        first = ["chrt", "--fifo", "1"] if os.geteuid() == 0 and shutil.which("chrt") else []
        command = [
            *first, "taskset", "--cpu-list", self.cpus, wrk, "--threads", "1", "--timeout", "10s",
            "--connections", str(self.connections), "--duration", f"{max(round(seconds), 1)}s",
            "--script", str(_SCRIPT), address, "--", str(self.bodies), self.path,
        ]  # fmt: skip
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def run(self, address: str, seconds: float) -> Latency:
        """Load for so long."""
        return end(self.begin(address, seconds))


def end(running: subprocess.Popen[str]) -> Latency:
    """Wait for a load and read what came of it."""
    out, _ = running.communicate()
    if running.returncode:
        raise ConfigurationError(f"wrk has failed: {out.strip()[-200:]}")
    return Latency(**json.loads(out.strip().splitlines()[-1]))
