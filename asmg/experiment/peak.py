"""The most memory this process has held since a moment."""

from __future__ import annotations

import resource
from pathlib import Path

#: Linux: writing 5 here sets the high-water mark of resident memory to what is resident now.
_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def reset() -> None:
    """Begin anew, where the system can; elsewhere `peak_mb` stays that of the whole process."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        return


def peak_mb() -> float:
    """Peak of resident memory, MB of 2^20 bytes."""
    try:
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
