"""Running what is no part of the project."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

#: Runs a tool with more arguments, in a folder where `cwd` names one.
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def missing(what: str) -> NoReturn:
    """Skip, or fail in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


def run(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What it said and how it ended."""
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
