"""Where something was measured."""

from __future__ import annotations

import os
from typing import Any

import torch

#: Figures by name, as `--json` writes them.
Figures = dict[str, Any]


def machine(device: torch.device) -> Figures:
    """Where this was measured."""
    cuda = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if cuda else "cpu",
        "seconds": "passed" if cuda else "of this process",
        "cpus": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "load_before": os.getloadavg()[0],
    }
