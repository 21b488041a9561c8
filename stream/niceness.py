"""Who has the right of way: what serves, reads events or learns Θ_t, before what is made of Θ_t."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from pathlib import Path

#: What is added to the niceness of who generates Θ_t*: it takes longest, and begins with a Θ_t.
GENERATES = 6

#: ... of who nobody waits for: shadows, the archive, and who lays out models beside those that answer.
ACCOMPANIES = 10

#: Seconds of a rest.
_REST = 0.002


def stand_back(by: int) -> None:
    """Let this process have what others leave of the processors: its niceness, and its session's, grow.

    Linux shares processors among sessions before it looks at the niceness of what is in them (autogroup(7) of
    sched(7)), and a worker that is supervised has a session of its own. One that a shell started is not alone
    in its session, and leaves that as it is.
    """
    niceness = os.nice(by)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):  # no Linux, or one without such groups
            Path("/proc/self/autogroup").write_text(str(niceness))


def rest() -> None:
    """Let who waits for this processor have it, between two short steps of work that nobody waits for.

    Niceness alone does not: Linux lets who runs go on for some 3 ms, however much more right of way somebody
    has who wakes meanwhile.
    """
    time.sleep(_REST)


def thread_stands_back(by: int) -> None:
    """The same for the calling thread and what it starts from now on, within its session.

    Linux alone has a niceness for threads; elsewhere nothing happens.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), by)
