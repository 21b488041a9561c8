"""docker-compose.yml as Compose reads it: anchors merged, ${NAME:-default} filled in from an environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
STACK = ROOT / "docker-compose.yml"

#: What a service has to have said of itself, whichever image it is of.
Services = dict[str, dict[str, Any]]


def services(environment: Mapping[str, str] | None = None) -> Services:
    """All, those of profiles too. A setting without a value has the environment's, or is not there."""
    given = environment or {}
    found: Services = _filled(yaml.safe_load(STACK.read_text())["services"], given)
    for service in found.values():
        told = {name: value if value is not None else given.get(name) for name, value in _settings(service)}
        service["environment"] = {name: value for name, value in told.items() if value is not None}
    return found


def _settings(service: dict[str, Any]) -> list[tuple[str, str | None]]:
    return list(service.get("environment", {}).items())


def _filled(part: Any, given: Mapping[str, str]) -> Any:
    if isinstance(part, dict):
        return {name: _filled(one, given) for name, one in part.items()}
    if isinstance(part, list):
        return [_filled(one, given) for one in part]
    if isinstance(part, str):
        return re.sub(r"\$\{(\w+):-(.*)\}", lambda found: given.get(found[1]) or found[2], part)
    return part
