"""A worker on a machine whose wall clock jumps by up to a day either way: jumping.py WORDS OF ASMG."""

from __future__ import annotations

import itertools
import sys
import time

#: Seconds by which the clock is off, reading after reading.
JUMPS = (0, 86_400, -3_600, 7, -86_400, 0, 600)


def jump() -> None:
    """Have the wall clock jump at every reading; the monotonic one goes on as it does on any machine."""
    seconds, nanoseconds, off = time.time, time.time_ns, itertools.cycle(JUMPS)
    time.time = lambda: seconds() + next(off)
    time.time_ns = lambda: nanoseconds() + next(off) * 1_000_000_000


if __name__ == "__main__":
    jump()
    sys.argv = ["asmg", *sys.argv[1:]]
    from asmg.cli import main

    main()
