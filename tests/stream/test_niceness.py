import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="Linux only")

#: The process's own niceness and its session's, after it stood back.
STAND_BACK = """
import os
from pathlib import Path
from stream.niceness import LEARNS, stand_back
stand_back(LEARNS)
print(os.nice(0), Path("/proc/self/autogroup").read_text().split()[-1])
"""


def told(own_session: bool) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-c", STAND_BACK], start_new_session=own_session, capture_output=True, check=True
    )
    return [int(one) for one in done.stdout.split()]


def test_a_worker_with_a_session_of_its_own_takes_the_session_with_it() -> None:
    assert told(own_session=True) == [os.nice(0) + 5] * 2


def test_one_that_a_shell_started_leaves_the_shell_s_session_alone() -> None:
    session = int(Path("/proc/self/autogroup").read_text().split()[-1])
    assert told(own_session=False) == [os.nice(0) + 5, session]
