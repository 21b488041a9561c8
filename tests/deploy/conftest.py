"""Tools that are no part of the project: each skips where it cannot be had, and fails in CI."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from outside_tools import Run, missing, run


@pytest.fixture(scope="session")
def uvx() -> Callable[..., Run]:
    """A Python tool of a version, in an environment of its own."""
    program = shutil.which("uvx", path=Path(sys.executable).parent) or shutil.which("uvx")

    def tool(package: str, version: str, name: str) -> Run:
        if program is None:
            missing("no uvx here to run tools with")
        command = [str(program), "--quiet", "--from", f"{package}=={version}", name]
        if (tried := run(*command, "--version")).returncode:
            missing(f"{name} cannot be had: {tried.stderr}")
        return lambda *more, **where: run(*command, *more, **where)

    return tool


@pytest.fixture(scope="session")
def promtool() -> Run:
    """Prometheus' own checker."""
    program = shutil.which("promtool")
    if program is None:
        missing("no promtool here: apt-get install prometheus")
    return lambda *more, **where: run(str(program), *more, **where)


@pytest.fixture(scope="session")
def compose_loader(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Compose's own loader (tests/deploy/compose): tells a project as JSON, or what is wrong with it."""
    go = shutil.which("go")
    if go is None:
        missing("no go here to build Compose's loader with")
    program = tmp_path_factory.mktemp("compose") / "compose"
    built = run(str(go), "build", "-o", str(program), ".", cwd=Path(__file__).parent / "compose")
    if built.returncode:
        missing(f"Compose's loader cannot be built: {built.stderr}")
    return lambda *more, **where: run(str(program), *more, **where)
