"""One Kafka node as a child process: formatted, started, waited for, stopped."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import IO

from stream.broker.node import Node, brokers_of, free_ports, new_cluster_id
from stream.errors import BrokerError
from stream.lock import hold

#: Seconds a node may take until it answers; 2 on an idle machine of two cores.
START_TIMEOUT = 60.0

#: Seconds a node may take to stop by itself before it is killed.
STOP_TIMEOUT = 20.0


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
        taken = BrokerError(f"another process runs the Kafka in {self.home}")
        self._lock = hold(self.home / "lock", taken)
        node = self._node()
        with (self.home / "kafka.log").open("ab") as log:
            node.write_properties()
            node.format(new_cluster_id(), log)
            self._process = node.spawn(log)
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
        while time.monotonic() < deadline and self._process.poll() is None:
            if brokers_of(self.bootstrap):
                return
        self.kill()
        raise BrokerError(f"Kafka did not start; see {self.home / 'kafka.log'}")

    def _node(self) -> Node:
        kept = self.home / "port"
        if not kept.exists():
            fresh = self.home / f"port.{os.getpid()}"
            fresh.write_text("{} {}\n".format(*free_ports(2)))
            fresh.rename(kept)
        port, controller = map(int, kept.read_text().split())
        return Node(self.home, 1, port, {1: controller})
