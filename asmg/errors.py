"""What can go wrong in a run of several workers, beside the tree in stream/errors.py.

AsmgError
├── WorkerFailed   a worker dies again and again, or does not do its work
└── Unaccounted    windowing does not say of every event what became of it
"""

from __future__ import annotations

from stream.errors import AsmgError

__all__ = ["Unaccounted", "WorkerFailed"]


class WorkerFailed(AsmgError):
    """A worker dies again and again, or does not do its work; named with its last words and its log."""


class Unaccounted(AsmgError):
    """Events that are in Kafka and in none of windowing's counts, or the other way round."""
