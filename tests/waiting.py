"""Waiting on a condition with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def until(holds: Callable[[], Found], seconds: float = 60.0, what: str = "") -> Found:
    """What holds, once it does; fails after so many seconds, and says what was waited for."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s {what}"
        time.sleep(0.05)
    return found
