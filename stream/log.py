"""What a worker says of itself: one line a record on stderr, with time, level and worker."""

from __future__ import annotations

import logging
import sys


def set_up(worker: str) -> None:
    """Everything logged in this process, whoever logs it, goes to stderr under the worker's name."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine(f"%(asctime)s %(levelname)s {worker}: %(message)s"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)


class _OneLine(logging.Formatter):
    """Keeps a record that spans lines on one."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("\n", " | ")
