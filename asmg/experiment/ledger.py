"""What an experiment has finished: one file per method and seed, a line of JSON per period, kept for good."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stream.errors import DataError

#: What is told of one period of one method and seed.
Line = Mapping[str, Any]


class Ledger:
    """The lines of one method and seed. A line is on the disk before `append` returns.

    What a killed writer left of a last line is cut off before the next one is written.
    """

    def __init__(self, path: Path) -> None:
        """Reads what is there. Raises: DataError: a line but the last is no JSON."""
        self.path = path
        self.lines: list[Line] = []
        self._whole = 0  # bytes of whole lines
        if path.exists():
            self._read(path.read_bytes())

    def _read(self, content: bytes) -> None:
        whole, _, _ = content.rpartition(b"\n")
        for number, line in enumerate(whole.split(b"\n") if whole else [], start=1):
            try:
                self.lines.append(json.loads(line))
            except ValueError as error:
                raise DataError(f"{self.path}:{number}: is no line of an experiment; delete it") from error
            self._whole += len(line) + 1

    def append(self, line: Line) -> None:
        """Keep one more line, durably."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("r+b" if self.path.exists() else "wb") as file:
            file.truncate(self._whole)
            file.seek(self._whole)
            self._whole += file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.lines.append(line)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that whoever reads it sees all of it or what was there before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.writing")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
