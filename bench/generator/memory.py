"""The most memory that work held beyond what was there before and what it gives."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import TypeVar

import torch

from asmg.experiment import peak

T = TypeVar("T")

MIB = 2**20


def beyond(work: Callable[[], T], given: Callable[[T], int], device: torch.device) -> tuple[T, float]:
    """What the work gives, and the MiB it held at its peak beyond that and beyond what was held before.

    given: bytes of the result. On a CPU resident memory as the system counts it, on CUDA what torch has given
    out.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device) / MIB
        result = work()
        most = torch.cuda.max_memory_allocated(device) / MIB
    else:
        _give_back_what_is_free()
        peak.reset()
        before = peak.peak_mb()
        result = work()
        most = peak.peak_mb()
    return result, max(0.0, most - before - given(result) / MIB)


def _give_back_what_is_free() -> None:
    """glibc keeps freed memory resident: work that takes of it would seem to need none. Elsewhere it may."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
