"""What a worker says of itself, on stderr: a line a record for people, or as a JSON object for machines."""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

#: Environment variable that says how: `line` where it is not set, or `json`.
FORM = "ASMG_LOG"

#: What records may tell beside their text, by `of`.
_FIELDS = ("period", "model")


def set_up(worker: str) -> None:
    """Everything logged in this process, whoever logs it, goes to stderr under the worker's name."""
    handler = logging.StreamHandler(sys.stderr)
    in_json = os.environ.get(FORM, "line") == "json"
    line = f"%(asctime)s %(levelname)s {worker}: %(message)s"
    handler.setFormatter(_Json(worker) if in_json else _OneLine(line))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)


def of(period: int, model: str | None = None) -> dict[str, object]:
    """Of what a record tells, to be logged with it as `extra`; model: its name, as "star/31"."""
    return {"period": period} if model is None else {"period": period, "model": model}


class _OneLine(logging.Formatter):
    """Keeps a record that spans lines on one."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("\n", " | ")


class _Json(logging.Formatter):
    """time (UTC, RFC 3339), level, worker, logger, message; period, model and error where there are any."""

    def __init__(self, worker: str) -> None:
        super().__init__()
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "worker": self._worker,
            "logger": record.name,
            "message": record.getMessage(),
        }
        told |= {name: found for name in _FIELDS if (found := getattr(record, name, None)) is not None}
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(told).decode()
