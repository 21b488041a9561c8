"""Three Kafka nodes on one machine, as users have them on three: the death of any one loses nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import psutil

from stream.broker.embedded import START_TIMEOUT, STOP_TIMEOUT
from stream.broker.node import Node, brokers_of, free_ports, new_cluster_id
from stream.errors import BrokerError
from stream.lock import hold

#: How many there are: the least of which one may die while topics keep two replicas in step.
NODES = 3

#: Seconds between two looks at whether nodes answer.
_GLANCE = 0.2


class _Layout(msgspec.Struct, frozen=True):
    """What is chosen once and kept, so that whoever was connected finds restarted nodes again."""

    cluster: str
    ports: dict[int, int]  # by number of the node
    controllers: dict[int, int]


@dataclass(frozen=True)
class Cluster:
    """Nodes 1 to 3 below `home`. They run until `stop`, whoever started them; each is found by its command.

    Topics have three replicas, of which two have to be in step for a write to count.
    """

    home: Path

    @property
    def bootstrap(self) -> str:
        """Addresses of all nodes. Raises: BrokerError: no cluster was ever started in this folder."""
        return ",".join(self.address(number) for number in self._layout.ports)

    def address(self, number: int) -> str:
        """That of one node."""
        return f"127.0.0.1:{self._layout.ports[number]}"

    @property
    def pids(self) -> dict[int, int]:
        """Process id by number, of the nodes that run."""
        return {number: one.pid for number in self._layout.ports if (one := self._process(number))}

    def start(self) -> Cluster:
        """Start the nodes that do not run, and wait until each knows of all.

        Raises: BrokerError: another process starts them just now, or they do not come up (a log is named).
        """
        with self._claimed():
            if not self._kept.exists():
                free = free_ports(2 * NODES)
                ports, controllers = (dict(enumerate(half, 1)) for half in (free[:NODES], free[NODES:]))
                fresh = self._kept.with_suffix(".writing")
                fresh.write_bytes(msgspec.json.encode(_Layout(new_cluster_id(), ports, controllers)))
                fresh.rename(self._kept)
            for number in self._layout.ports:
                if self._process(number) is None:
                    self._spawn(number)
            self._wait()
        return self

    def stop(self) -> None:
        """Stop all nodes and wait for their end; one that does not end is killed."""
        running = [one for number in self._layout.ports if (one := self._process(number))]
        for one in running:
            one.terminate()
        _, left = psutil.wait_procs(running, STOP_TIMEOUT)
        for one in left:
            one.kill()
        psutil.wait_procs(left, STOP_TIMEOUT)

    def kill(self, number: int) -> None:
        """End a node as a power cut would (kill -9)."""
        process = self._process(number)
        if process is None:
            raise BrokerError(f"node {number} of {self.home} does not run")
        process.kill()
        process.wait(STOP_TIMEOUT)

    @property
    def _kept(self) -> Path:
        return self.home / "cluster.json"

    @cached_property
    def _layout(self) -> _Layout:
        try:
            return msgspec.json.decode(self._kept.read_bytes(), type=_Layout)
        except OSError as error:
            raise BrokerError(f"no Kafka was ever started in {self.home}") from error
        except msgspec.DecodeError as error:
            raise BrokerError(f"{self._kept} cannot be read: {error}") from error

    def _node(self, number: int) -> Node:
        folder = (self.home / f"node-{number}").absolute()
        return Node(folder, number, self._layout.ports[number], self._layout.controllers)

    def _spawn(self, number: int) -> None:
        node = self._node(number)
        node.home.mkdir(parents=True, exist_ok=True)
        with (node.home / "kafka.log").open("ab") as log:
            node.write_properties()
            node.format(self._layout.cluster, log)
            node.detach(log)

    def _process(self, number: int) -> psutil.Process | None:
        properties = str(self._node(number).properties)
        for process in psutil.process_iter(["cmdline", "status"]):
            command = process.info["cmdline"] or ()
            if "kafka.Kafka" in command and properties in command and process.info["status"] != "zombie":
                return process
        return None

    def _wait(self) -> None:
        numbers, deadline = list(self._layout.ports), time.monotonic() + START_TIMEOUT
        waiting = numbers
        while waiting := [one for one in waiting if brokers_of(self.address(one)) != numbers]:
            dead = [one for one in waiting if self._process(one) is None]
            if dead or time.monotonic() > deadline:
                log = self._node((dead or waiting)[0]).home / "kafka.log"
                raise BrokerError(f"node {(dead or waiting)[0]} of {self.home} did not start; see {log}")
            time.sleep(_GLANCE)

    @contextmanager
    def _claimed(self) -> Iterator[None]:
        taken = BrokerError(f"another process starts the nodes of {self.home}")
        try:
            lock = hold(self.home / "lock", taken)
        except OSError as error:
            raise BrokerError(f"{self.home} cannot be written: {error.strerror}") from error
        with lock:
            yield
