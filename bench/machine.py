"""What else there is to know of a measurement: the machine, and how busy it was before."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable

#: Told what comes next.
Tell = Callable[[str], None]


def machine() -> dict[str, str | int | float]:
    """Processor architecture, CPUs, and the load average of the minute before."""
    return {"machine": platform.machine(), "cpus": os.cpu_count() or 0, "load_before": os.getloadavg()[0]}
