"""Which Kafka a command speaks to: the user's own, an embedded one that runs, or one it starts itself.

What dies when, and what becomes of the embedded node:

| killed                | then                                                                           |
|-----------------------|--------------------------------------------------------------------------------|
| the command it serves | its guard, a shell that waits for the command's end, stops the node            |
| guard and command     | the next command on the same home finds a node without an owner, and stops it  |
| the node              | the demo starts it again at the same address; other commands end with an error |
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import psutil
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from stream import kafka
from stream.broker.embedded import STOP_TIMEOUT, EmbeddedKafka
from stream.errors import BrokerError
from stream.settings import KafkaSettings

#: Seconds in which a Kafka has to answer the first question that a command asks it.
FIRST_ANSWER = 5.0

#: Seconds that a guard lets the node outlive its command, so that other workers can part from it.
PARTING = 3


@contextmanager
def attached(settings: KafkaSettings, home: Path) -> Iterator[dict[str, object]]:
    """librdkafka's settings for the Kafka to speak to, which answers while the context lasts.

    Without `kafka.bootstrap` it is the embedded one in `home`/kafka: whoever comes first runs it and stops it
    at the end, the others find it running. Raises: BrokerError: it does not start.
    """
    with Attachment(settings, home) as attachment:
        yield attachment.broker


def require_answer(broker: Mapping[str, object]) -> None:
    """Raises: BrokerError: nobody answers at the address within a few seconds."""
    try:
        AdminClient({**broker, "log_level": 0}).list_topics(timeout=FIRST_ANSWER)
    except KafkaException as error:
        where = broker["bootstrap.servers"]
        raise BrokerError(
            f"no Kafka answers at {where}: {kafka.said(error.args[0])}; is it running?"
        ) from error


class Attachment:
    """A Kafka to speak to, and the embedded node where this process runs it."""

    def __init__(self, settings: KafkaSettings, home: Path) -> None:
        self._settings = settings
        self._node = EmbeddedKafka(home / "kafka")
        self._guard: subprocess.Popen[bytes] | None = None
        self.broker: dict[str, object] = {}

    def __enter__(self) -> Attachment:
        if self._settings.bootstrap:
            self.broker = kafka.broker(self._settings, self._settings.bootstrap)
            return self
        if not self._node.running:
            end_ownerless(self._node.home)
            self._start()
        self.broker = kafka.broker(self._settings, self._node.bootstrap)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dismiss()
        if self._node.pid is not None:
            self._node.stop()

    @property
    def pid(self) -> int | None:
        """Process id of the embedded node while this process runs it."""
        return self._node.pid

    def mend(self) -> bool:
        """Start the node again if it is this process's and has died; whether it had.

        Raises: BrokerError: it does not start.
        """
        pid = self._node.pid
        if pid is None or psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            return False
        self._dismiss()
        self._node.kill()
        self._start()
        return True

    def _start(self) -> None:
        self._node.start()
        # The node is our child and not waited for, so its pid cannot become another's while we live.
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", f'read -r _; sleep {PARTING}; kill "$0"', str(self._node.pid)],
            stdin=subprocess.PIPE,  # ends when we do, however we do
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _dismiss(self) -> None:
        if self._guard is not None:
            self._guard.kill()
            self._guard.wait()
            assert self._guard.stdin is not None
            self._guard.stdin.close()
            self._guard = None


def end_ownerless(folder: Path) -> None:
    """Stop a node of that folder that nobody runs any more, and wait for its end."""
    properties = str(folder.absolute() / "server.properties")
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or ()
        if "kafka.Kafka" in command and properties in command:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait(STOP_TIMEOUT)
