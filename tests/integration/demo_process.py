"""`asmg demo` as a user starts it: a process of its own, read, disturbed and ended."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from waiting import until

from asmg.caller import ANYBODY
from asmg.watch import metric

#: One shadow: enough to see that it comes to the same, and no more work than needed.
SHADOW = 'trainer.shadow=["iu"]'

#: Seconds a demo of that size may take beside other work.
PATIENCE = 240.0


class Demo:
    """`asmg demo` on a small synthetic shop, in a process of its own."""

    def __init__(self, folder: Path, *words: str, bootstrap: str = "") -> None:
        self.folder, self.figures = folder, folder / "figures.json"
        self.said: list[str] = []
        folder.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "asmg", "demo", "--json", str(self.figures), "--set", SHADOW, *words],
            cwd=folder,
            env={**os.environ, "ASMG_KAFKA_BOOTSTRAP": bootstrap},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def read_until(self, pattern: str) -> str:
        """The next line that has the pattern."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.rstrip())
            if re.search(pattern, line):
                return line
        pytest.fail(f"no {pattern!r} in\n" + "\n".join(self.said))

    def end(self) -> int:
        """The exit status, all that is said read."""
        assert self.process.stdout is not None
        with self.process.stdout as rest:
            self.said += rest.read().splitlines()
        return self.process.wait(PATIENCE)

    def end_at_once(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def result(self) -> dict[str, Any]:
        """The figures of a demo that ends well."""
        assert self.end() == 0, "\n".join(self.said)
        found: dict[str, Any] = json.loads(self.figures.read_text())
        return found

    def workers(self, command: str) -> list[psutil.Process]:
        """The processes of a worker: one, or none before it starts and after it ends."""
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if words_of(child)[1:4] == ["-m", "asmg", command]]

    def worker(self, command: str) -> psutil.Process:
        """The process of a worker that runs."""
        found = self.workers(command)
        return found[0] if found else pytest.fail(f"no {command} runs")

    def kill(self, command: str) -> None:
        """End a worker as a power cut would, and wait until it has been started again."""
        killed = self.worker(command)
        killed.kill()
        until(lambda: any(one.pid != killed.pid for one in self.workers(command)), PATIENCE)

    def kill_replay_when_it_has_sent_some(self) -> None:
        """Before it is done: it waits for periods to be trained, and training is held meanwhile."""
        until(lambda: self.workers("replay"), PATIENCE)
        train = self.worker("train")
        train.suspend()
        try:
            until(
                lambda: any(metric(metrics_of(one), "asmg_replay_row") for one in self.workers("replay")),
                PATIENCE,
            )
            self.worker("replay").kill()
        finally:
            train.resume()


def words_of(process: psutil.Process) -> list[str]:
    """Its command line; none where it has just ended."""
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def metrics_of(replay: psutil.Process) -> str:
    """What a replay tells of itself; nothing before it does, and once it has ended."""
    words = words_of(replay)
    port = words[words.index("--metrics-port") + 1] if words else 0
    try:
        return ANYBODY.fetch(f"http://127.0.0.1:{port}/metrics")
    except OSError:
        return ""
