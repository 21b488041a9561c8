"""docker-compose.yml without containers: each service is a process, begun and watched as Compose does.

Names of hosts, ports and folders of the file are put for those of this machine in all that it says: commands,
settings, health checks and Prometheus' configuration alike. So a port that two services name differently, a
command that does not exist or a health check that asks the wrong one shows.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from stack_file import ROOT, services

from stream.broker.node import free_ports

#: Ports that services have on the loopback that they share.
PORTS = re.compile(r"\b(6379|8080|8081|9090|910[1-8])\b")
#: Seconds a service may take to be healthy, compiling included, beside other tests on two cores.
HEALTHY = 180.0


class Stack:
    """Services by name, on free ports of 127.0.0.1 and in a folder; Kafka is the one given."""

    def __init__(self, bootstrap: str, folder: Path, programs: dict[str, str], given: dict[str, str]) -> None:
        self._folder, self._programs = folder, programs
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        named = sorted(set(PORTS.findall((ROOT / "docker-compose.yml").read_text())))
        self.ports = dict(zip(named, free_ports(len(named)), strict=True))
        self._places = {
            "kafka:9092": bootstrap,
            "/var/lib/asmg": str(folder / "home"),
            "/etc/asmg": str(folder / "etc"),
            "=/prometheus": f"={folder / 'prometheus'}",
        }
        self.services: dict[str, dict[str, Any]] = json.loads(self.local(json.dumps(services(given))))
        (folder / "etc").mkdir()
        for name in ("prometheus.yml", "alerts.yml"):
            (folder / "etc" / name).write_text(self.local((ROOT / "deploy" / name).read_text()))

    def local(self, text: str) -> str:
        """What the stack's files say, for this machine."""
        for theirs, ours in self._places.items():
            text = text.replace(theirs, ours)
        return PORTS.sub(lambda found: str(self.ports[found[1]]), text)

    def in_order(self) -> list[str]:
        """Names, each after those it waits for."""
        waits = {name: set(one.get("depends_on", {})) for name, one in self.services.items()}
        return list(TopologicalSorter(waits).static_order())

    def start(self, name: str, *more: str) -> None:
        """One service, once those it waits for are as it wants them."""
        for before, wish in self.services[name].get("depends_on", {}).items():
            if before in self._running and wish["condition"] == "service_healthy":
                self._until_healthy(before)
        said = self.services[name]["command"]
        entry = [name] if said[0].startswith("-") else []  # where the image says the program
        command = [*self._command([*entry, *said]), *more]
        with self._log(name).open("wb") as log:
            self._running[name] = subprocess.Popen(
                command, cwd=ROOT, env=self._environment(name), stdout=log, stderr=log
            )

    def wait(self, name: str, seconds: float) -> int:
        """How it ended."""
        return self._running[name].wait(seconds)

    def until_all_healthy(self) -> None:
        """Of those that run and have a health check."""
        for name in self._running:
            if "healthcheck" in self.services[name]:
                self._until_healthy(name)

    def stop(self, seconds: float) -> dict[str, int]:
        """Ask all to end, last first; how each did."""
        for name in reversed(self._running):
            self._running[name].terminate()
        return {name: one.wait(seconds) for name, one in self._running.items()}

    def kill(self) -> None:
        """End what still runs."""
        for one in self._running.values():
            one.kill()
            one.wait()

    def told(self, name: str) -> str:
        """The end of what a service has said."""
        return self._log(name).read_text()[-3000:]

    def _until_healthy(self, name: str) -> None:
        test, deadline = self.services[name]["healthcheck"]["test"], time.monotonic() + HEALTHY
        assert test[0] == "CMD"
        command = self._command(test[1:])
        while (done := subprocess.run(command, cwd=ROOT, capture_output=True, check=False)).returncode:
            assert self._running[name].poll() is None, f"{name} has ended: {self.told(name)}"
            assert time.monotonic() < deadline, f"{name} is not healthy: {done.stderr!r} {self.told(name)}"
            time.sleep(0.2)

    def _command(self, command: list[str]) -> list[str]:
        if command[0] == "asmg":
            return [sys.executable, "-m", *command]
        return [self._programs.get(command[0], command[0]), *command[1:]]

    def _environment(self, name: str) -> dict[str, str]:
        ours = {one: value for one, value in os.environ.items() if not one.startswith("ASMG_")}
        told = self.services[name]["environment"]
        told.pop("NUMBA_CACHE_DIR", None)  # what other tests have compiled serves here too
        return ours | told

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"
