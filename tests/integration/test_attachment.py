"""The embedded Kafka of a command: it outlives neither the command nor, for long, its own death."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from confluent_kafka.admin import AdminClient
from waiting import until

from asmg.broker import Attachment, end_ownerless, require_answer
from stream.settings import KafkaSettings

pytestmark = pytest.mark.integration

#: A command on the home it is given, which says the pid of its node and waits to be killed.
COMMAND = """
import sys, time
from pathlib import Path
from asmg.broker import Attachment
from stream.settings import KafkaSettings
with Attachment(KafkaSettings(), Path(sys.argv[1])) as attachment:
    print(attachment.pid, flush=True)
    time.sleep(600)
"""


def killed_command(home: Path) -> psutil.Process:
    """The node of a command that was killed."""
    with subprocess.Popen([sys.executable, "-c", COMMAND, str(home)], stdout=subprocess.PIPE) as command:
        assert command.stdout is not None
        node = psutil.Process(int(command.stdout.readline()))
        command.kill()
    return node


def test_a_node_ends_by_itself_when_its_command_was_killed(tmp_path: Path) -> None:
    node = killed_command(tmp_path)
    until(lambda: not node.is_running(), 30.0)


def test_the_next_command_ends_a_node_without_an_owner_and_runs_its_own(tmp_path: Path) -> None:
    node = killed_command(tmp_path)
    with Attachment(KafkaSettings(), tmp_path) as attachment:
        assert not node.is_running()
        require_answer(attachment.broker)
    end_ownerless(tmp_path / "kafka")  # there is none, and nothing happens


def test_a_node_that_dies_is_started_again_at_its_address(tmp_path: Path) -> None:
    with Attachment(KafkaSettings(), tmp_path) as attachment:
        assert not attachment.mend()
        address, first = dict(attachment.broker), attachment.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        until(attachment.mend, 30.0)
        assert attachment.pid != first
        assert AdminClient({**address, "log_level": 0}).list_topics(timeout=10).brokers
    assert attachment.pid is None
