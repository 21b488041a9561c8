"""One process at a time: a file that whoever works in a folder holds locked."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from stream.errors import AsmgError


def hold(path: Path, refusal: AsmgError) -> IO[str]:
    """The file, locked for us until it is closed or we end; its folder is made.

    Raises: refusal: another process holds it; OSError: it cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise refusal from error
    return file
