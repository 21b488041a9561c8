"""Where to compute: the CPU with its threads, or CUDA."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from stream.errors import ConfigurationError
from trainer.settings import Device


def choose_device(device: Device, threads: int) -> torch.device:
    """The device a setting means; sets torch's CPU threads, and how this thread and they compute.

    Raises: ConfigurationError: cuda is asked for and there is none.
    """
    # Moments of rows that no batch touches shrink and are denormal after 600 steps (on DIGINETICA 30 to 45 %
    # of all): no other than zero to any weight, but slow to compute with, on some CPUs far more than here.
    # First of all, since torch's threads take this over from the one that starts them.
    torch.set_flush_denormal(True)
    torch.set_num_threads(threads)
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError("device is cuda, but torch finds none; use auto or cpu")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")


def on_device(values: npt.NDArray[Any], device: torch.device | None) -> torch.Tensor:
    """The values as a tensor there: on a CPU the very memory, on CUDA a copy that the host does not wait for.

    CUDA copies memory that the system cannot move by itself, behind what it has to do already; from any other
    the host would stand still until all that is done, at every batch.
    """
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    if device is None or device.type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)


def warm_up(device: torch.device) -> None:
    """Load what torch loads at its first optimizer (4 s of a core), before a period waits for it."""
    parameter = torch.zeros(1, device=device)
    parameter.grad = torch.zeros(1, device=device)
    torch.optim.Adam([parameter], fused=True).step()
