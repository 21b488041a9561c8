"""That docs/guarantees.md speaks of every step at which workers die, and names tests that there are."""

import re
from pathlib import Path

import pytest
from steps import STEPS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text()
SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("worker", sorted({step.worker for step in STEPS}))
def test_each_step_has_its_row(worker):
    rows = re.findall(r"^\| (.*?) \|", SECTIONS[worker], re.MULTILINE)
    missing = {step.name for step in STEPS if step.worker == worker} - set(rows)
    assert not missing


def test_the_tests_it_names_are_there():
    for path in re.findall(r"`(tests/[\w/.]+)", PAGE):
        assert (ROOT / path).exists(), path
    files = {path.name: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    for file, test in re.findall(r"`(?:[\w/]*/)?(test_\w+\.py)(?:::(\w+))?`", PAGE):
        assert file in files, file
        assert f"def {test}" in files[file], test
