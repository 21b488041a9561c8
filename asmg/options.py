"""What is written on the command line, as settings, sources and numbers; what makes no sense is named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asmg.config import Settings, load
from stream.errors import ConfigurationError

if TYPE_CHECKING:
    from stream.replay import Source


def settings_of(flags: Sequence[str] | None, home: Path | None = None) -> Settings:
    """The settings with `--set section.name=value` before all else. Raises: ConfigurationError.

    A value that is `null`, a JSON object or a JSON list is read as such, every other one as text.
    """
    given: dict[str, Any] = {} if home is None else {"home": home}
    for flag in flags or ():
        name, equals, value = flag.partition("=")
        section, dot, field = name.partition(".")
        if not (equals and dot and section and field):
            raise ConfigurationError(
                f"--set {flag}: SECTION.NAME=VALUE is expected, as in stream.lateness=90s"
            )
        given.setdefault(section, {})[field] = _value(flag, value)
    return load(given)


def _value(flag: str, text: str) -> object:
    if text != "null" and not text.startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"--set {flag}: the value is not valid JSON: {error.msg}") from error


def setting_of(section: str, field: str, value: object) -> str:
    """`SECTION.NAME=VALUE` as `settings_of` reads it back."""
    written = json.dumps(value) if value is None or isinstance(value, dict | list) else str(value)
    return f"{section}.{field}={written}"


def source_of(
    data: Path | None,
    dataset: str | None,
    *,
    since: date | None = None,
    until: date | None = None,
    events: int | None = None,
    seed: int = 0,
) -> tuple[str, Source]:
    """The name of the data set at a path and its events; the synthetic shop where there is no path.

    `events` is how many the shop makes. Raises: DataError, ConfigurationError.
    """
    from stream.replay import Choices, detect, open_source

    if dataset is None:
        dataset = "synthetic" if data is None else detect(data)
    if events is not None and dataset != "synthetic":
        raise ConfigurationError("--events is for the synthetic shop; use --since and --until for a slice")
    choices = Choices(since=since, until=until, seed=seed)
    if events is not None:
        choices = replace(choices, events=events)
    return dataset, open_source(dataset, data, choices)


def speed_of(speed: str) -> float:
    """How many times faster than it happened. Raises: ConfigurationError: no number above 0 nor max."""
    try:
        factor = float("inf") if speed == "max" else float(speed)
    except ValueError:
        factor = 0.0
    if not factor > 0:
        raise ConfigurationError(f"--speed is a number above 0 or 'max', not '{speed}'")
    return factor


def pace_of(pace: str) -> str:
    """`trained` or `max`. Raises: ConfigurationError: anything else."""
    if pace not in ("trained", "max"):
        raise ConfigurationError(f"--pace is 'trained' or 'max', not '{pace}'")
    return pace
