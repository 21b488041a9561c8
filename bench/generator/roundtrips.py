"""How often the host waits for CUDA while batches are trained."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch

#: How torch names a call after which the host waited.
_WAITED = "synchronizing CUDA operation"


@contextmanager
def watched(module: ModuleType, name: str) -> Iterator[list[str]]:
    """While it lasts, what torch says of each wait within calls of this function of a module."""
    found: list[str] = []
    inner: Callable[..., Any] = getattr(module, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                return inner(*args, **kwargs)
            finally:
                torch.cuda.set_sync_debug_mode("default")
                found.extend(f"{one.filename}:{one.lineno}" for one in told if _WAITED in str(one.message))

    setattr(module, name, call)
    try:
        yield found
    finally:
        setattr(module, name, inner)
