"""Tools that are no part of the project: each skips where it cannot be had, and fails in CI."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from fcntl import LOCK_EX, flock
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
    return _built("compose", ".", tmp_path_factory.mktemp("compose") / "compose")


@pytest.fixture(scope="session")
def kustomize(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What `kubectl apply --kustomize` would send."""
    program = tmp_path_factory.mktemp("kustomize") / "kustomize"
    return _built("kubernetes", "sigs.k8s.io/kustomize/kustomize/v5", program)


@pytest.fixture(scope="session")
def kubeconform(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Holds manifests to schemas, here to those in tests/deploy/kubernetes/schemas."""
    program = tmp_path_factory.mktemp("kubeconform") / "kubeconform"
    check = _built("kubernetes", "github.com/yannh/kubeconform/cmd/kubeconform", program)
    schemas = Path(__file__).parent / "kubernetes" / "schemas" / "{{.ResourceKind}}{{.KindSuffix}}.json"
    return lambda *more, **where: check("-strict", "-schema-location", str(schemas), *more, **where)


def _built(module: str, package: str, program: Path) -> Run:
    """A program of a Go module in tests/deploy, whose go.sum says what it is made of."""
    go = shutil.which("go")
    if go is None:
        missing(f"no go here to build {program.name} with")
    with (Path(tempfile.gettempdir()) / "asmg-go-build").open("w") as turn:
        flock(turn, LOCK_EX)  # of several processes of tests one compiles, and the others find it done
        built = run(str(go), "build", "-o", str(program), package, cwd=Path(__file__).parent / module)
    if built.returncode:
        missing(f"{program.name} cannot be built: {built.stderr}")
    return lambda *more, **where: run(str(program), *more, **where)
