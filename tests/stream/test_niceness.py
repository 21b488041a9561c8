import os
import subprocess
import sys
from pathlib import Path

import pytest

from stream.niceness import GENERATES

pytestmark = pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="Linux only")

#: A line of the process's own niceness and one of its session's, after it stood back.
STAND_BACK = """
import os
from pathlib import Path
from stream.niceness import GENERATES, stand_back
stand_back(GENERATES)
print(os.nice(0))
print(Path("/proc/self/autogroup").read_text().strip())
"""


def told(own_session: bool) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", STAND_BACK],
        start_new_session=own_session,
        capture_output=True,
        check=True,
        text=True,
    )
    niceness, session = done.stdout.split("\n")[:2]
    return int(niceness), session


def test_a_worker_with_a_session_of_its_own_takes_the_session_with_it() -> None:
    niceness, session = told(own_session=True)
    assert niceness == os.nice(0) + GENERATES
    assert session.endswith(f" nice {niceness}")


def test_one_that_a_shell_started_leaves_the_shell_s_session_alone() -> None:
    session = Path("/proc/self/autogroup").read_text().strip()  # nothing, in a container's first session
    assert told(own_session=False) == (os.nice(0) + GENERATES, session)
