"""How the schemas in ./schemas were made: the kinds that deploy/kubernetes uses, and what these refer to.

    uvx --with kubernetes-validate==1.37.0 python tests/deploy/kubernetes/schemas.py 1.33

They are Kubernetes' own, strict (an unknown field is an error), less their descriptions; that package has
them of every version. A kind that is used and has none here fails the test.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

#: As kubeconform names their files.
KINDS = (
    "configmap-v1",
    "deployment-apps-v1",
    "horizontalpodautoscaler-autoscaling-v2",
    "namespace-v1",
    "networkpolicy-networking-v1",
    "persistentvolumeclaim-v1",
    "poddisruptionbudget-policy-v1",
    "service-v1",
)
DEFINITIONS = "_definitions.json"


def bare(part: Any) -> Any:
    """Without what is for people and for the API server; what it refers to is in the file beside it."""
    if isinstance(part, dict):
        return {
            name: one.removeprefix("/api/") if name == "$ref" else bare(one)
            for name, one in part.items()
            if not (name in ("description", "$id") and isinstance(one, str)) and not name.startswith("x-")
        }
    return [bare(one) for one in part] if isinstance(part, list) else part


def referred(part: Any) -> Iterator[str]:
    """Names of the definitions that a schema refers to."""
    if isinstance(part, dict):
        if isinstance(where := part.get("$ref"), str):
            yield where.rsplit("/", 1)[1]
        for one in part.values():
            yield from referred(one)
    elif isinstance(part, list):
        for one in part:
            yield from referred(one)


def main(version: str) -> None:
    """Write them anew."""
    source = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    out = Path(__file__).parent / "schemas"
    out.mkdir(exist_ok=True)
    known = json.loads((source / DEFINITIONS).read_text())["$defs"]
    kept: dict[str, Any] = {}
    waiting: list[str] = []
    for kind in KINDS:
        schema = bare(json.loads((source / f"{kind}.json").read_text()))
        (out / f"{kind}.json").write_text(json.dumps(schema, separators=(",", ":"), sort_keys=True) + "\n")
        waiting += referred(schema)
    while waiting:
        if (name := waiting.pop()) not in kept:
            kept[name] = bare(known[name])
            waiting += referred(kept[name])
    lines = [
        f'"{name}":{json.dumps(kept[name], separators=(",", ":"), sort_keys=True)}' for name in sorted(kept)
    ]
    (out / DEFINITIONS).write_text('{"$defs":{\n' + ",\n".join(lines) + "\n}}\n")


if __name__ == "__main__":
    main(sys.argv[1])
