"""The names under which the workers' code tells metrics, and those that a query of Prometheus asks for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from stack_file import ROOT

#: Endings that Prometheus' client puts to a name, by the kind of metric.
ENDINGS = {"Counter": ("_total",), "Histogram": ("_bucket", "_sum", "_count")}


def exported() -> set[str]:
    """All of them."""
    paths = [
        one for name in ("stream", "trainer", "metagen", "serving") for one in (ROOT / name).rglob("*.py")
    ]
    return {name for path in paths for name in _told(ast.parse(path.read_text()))}


def asked(query: str) -> set[str]:
    """Those of ours."""
    return set(re.findall(r"\basmg_\w+", query))


def _told(tree: ast.Module) -> Iterator[str]:
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Constant):
            name, kind = call.args[0].value, getattr(call.func, "id", "")
            if isinstance(name, str) and re.fullmatch(r"asmg_[a-z]+_\w+", name):
                yield from (name + ending for ending in ENDINGS.get(kind, ("",)))
