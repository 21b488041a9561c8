"""Threads that prepare models stand back behind those that answer."""

from __future__ import annotations

import os
import sys
import threading

#: What is added to a thread's niceness.
NICENESS = 10


def stand_back() -> None:
    """Let the calling thread have what others leave of a processor, and what it starts from now on too.

    Linux alone has a niceness for threads; elsewhere nothing happens.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
