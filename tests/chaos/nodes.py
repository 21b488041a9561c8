"""The Kafka under a run: one node, or three of which one at a time is dead for a while."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Protocol

from stream.broker.cluster import NODES, Cluster
from stream.broker.embedded import EmbeddedKafka


class Kafka(Protocol):
    """What can be done to it."""

    replication: int  # of topics
    dead_for: float  # seconds, so that leaders move where there are others

    @property
    def bootstrap(self) -> str:
        """Addresses of its nodes."""

    @property
    def pids(self) -> list[int]:
        """Process ids of its nodes."""

    def kill(self) -> str:
        """End a node as a power cut would; what it is called."""

    def start(self) -> None:
        """Start what does not run, and wait until it answers."""

    def stop(self) -> None:
        """Stop all."""


class OneNode:
    """That of a laptop."""

    replication, dead_for = 1, 0.0

    def __init__(self, home: Path) -> None:
        self._node = EmbeddedKafka(home)

    @property
    def bootstrap(self) -> str:
        """Its address."""
        return self._node.bootstrap

    @property
    def pids(self) -> list[int]:
        """That of its process."""
        return [self._node.pid] if self._node.pid is not None else []

    def kill(self) -> str:
        """End it."""
        self._node.kill()
        return "Kafka"

    def start(self) -> None:
        """Start it."""
        self._node.start()

    def stop(self) -> None:
        """Stop it."""
        self._node.stop()


class ThreeNodes:
    """That of a user: three replicas, two in step, and one node after the other dies."""

    replication, dead_for = NODES, 15.0

    def __init__(self, home: Path) -> None:
        self._cluster, self._next = Cluster(home), itertools.cycle(range(1, NODES + 1))

    @property
    def bootstrap(self) -> str:
        """All three addresses."""
        return self._cluster.bootstrap

    @property
    def pids(self) -> list[int]:
        """Those of all that run."""
        return list(self._cluster.pids.values())

    def kill(self) -> str:
        """End the next in turn."""
        number = next(self._next)
        self._cluster.kill(number)
        return f"Kafka node {number}"

    def start(self) -> None:
        """Start those that do not run."""
        self._cluster.start()

    def stop(self) -> None:
        """Stop all three."""
        self._cluster.stop()
