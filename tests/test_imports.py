"""Data flows stream → trainer → metagen → serving; imports run the other way, and nobody imports asmg."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOW = ["stream", "trainer", "metagen", "serving", "asmg"]


def imported(file: Path) -> set[str]:
    """First names of everything the file imports."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {each.name.split(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", FLOW)
def test_a_package_imports_only_what_lies_upstream_of_it(package: str) -> None:
    downstream = set(FLOW[FLOW.index(package) + 1 :])
    files = list((ROOT / package).rglob("*.py"))
    assert files
    assert {file.name: found for file in files if (found := imported(file) & downstream)} == {}


@pytest.mark.parametrize("package", FLOW)
def test_nothing_is_pickled(package: str) -> None:
    unsafe = {"pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal"}
    for file in (ROOT / package).rglob("*.py"):
        assert not imported(file) & unsafe, file
        assert "torch.load(" not in file.read_text(), file
