"""Every setting as a page, from the settings' own fields: `make reference` writes docs/configuration.md."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, BeforeValidator, SecretStr
from pydantic.fields import FieldInfo
from pydantic.types import PathType

from asmg.config import CONFIG, Settings
from asmg.secrets import SECRETS
from stream import log
from stream.ingest.registry import PASSWORD, USERNAME
from stream.settings import UNITS, milliseconds
from stream.traces import ENDPOINTS

HEAD = f"""\
# Configuration

<!-- Made by `make reference` from the fields of the settings; what is written here by hand is lost. -->

All workers read the same settings: from flags (`--set stream.lateness=90s`), then from the environment
(`ASMG_STREAM_LATENESS`), then from the file `{CONFIG}` (table `[stream]`, name `lateness`), then the defaults
below. What is unknown or has a wrong value is named, and nothing starts. In the environment, lists and tables
are written as JSON; in a flag these, and `null`, too.

A **time** is written as `"250ms"`, `"90s"`, `"30m"`, `"12h"`, `"7d"`, or as a number of ms. What has **only**
behind its variable is a secret: it is refused in a file and in flags, and shown nowhere.
"""

#: What else the environment is asked for; these are read before there are settings, or name secrets.
ENVIRONMENT = {
    "ASMG_CONFIG": f"the file of settings, where it is another than `{CONFIG}` in the working folder",
    log.FORM: "`json`: workers log a JSON object a line; else a line of text",
    USERNAME: "user of the schema registry (`ingest.registry`)",
    PASSWORD: "its password",
    "OTEL_…": f"OpenTelemetry's own; `{ENDPOINTS[0]}` names a collector, which is told traces of periods",
    "AWS_…": "credentials of a bucket (`store.folder`), under the names that AWS' own tools read",
}

#: What plain types are to somebody who writes a file; a secret is a text like others there.
NAMES = {
    bool: "true or false",
    int: "integer",
    float: "number",
    str: "text",
    SecretStr: "text",
    Path: "path",
}


def reference() -> str:
    """The page, as Markdown."""
    fields = Settings.model_fields
    sections = {name: model for name, field in fields.items() if (model := _model(field)) is not None}
    own = {name: field for name, field in fields.items() if name not in sections}
    parts = [HEAD, "## At the top of the file\n", _table("", own)]
    for section, model in sections.items():
        parts += _section(section, model)
    parts += ["## Environment variables beside the settings\n", *_environment()]
    return "\n".join(parts)


def _section(section: str, model: type[BaseModel]) -> Iterator[str]:
    yield f"## `[{section}]`\n"
    yield f"{_told(model)}\n"
    yield _table(section, model.model_fields)
    for name, field in model.model_fields.items():
        if (listed := _listed(field)) is not None:
            yield f"### `[[{section}.{name}]]`\n"
            yield f"{_told(listed)}\n"
            yield _table(f"{section}.{name}", listed.model_fields, environment=False)


def _table(section: str, fields: dict[str, FieldInfo], *, environment: bool = True) -> str:
    head = ["setting", "type", "default", *(["environment"] if environment else []), "meaning"]
    lines = [_row(head), _row(["---"] * len(head))]
    for name, field in fields.items():
        secret = name in SECRETS.get(section, ())
        variable = f"`{'_'.join(filter(None, ('ASMG', section, name))).upper()}`"
        where = [f"{variable} **only**" if secret else variable] if environment else []
        lines.append(
            _row([f"`{name}`", _type(field), _default(field), *where, _escaped(field.description or "")])
        )
    return "\n".join(lines) + "\n"


def _environment() -> Iterator[str]:
    yield _row(["variable", "meaning"])
    yield _row(["---"] * 2)
    yield from (_row([f"`{name}`", meaning]) for name, meaning in ENVIRONMENT.items())
    yield ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _told(model: type[BaseModel]) -> str:
    """What a section says of itself, less its own name at the beginning."""
    text = re.sub(r"^`\[+[\w.]+\]+`: ", "", inspect.getdoc(model) or "")
    return text[:1].upper() + text[1:]


def _model(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if inspect.isclass(kind) and issubclass(kind, BaseModel) else None


def _listed(field: FieldInfo) -> type[BaseModel] | None:
    """The table of which a field holds several; None where it does not."""
    first = next(iter(get_args(field.annotation)), None)
    return first if inspect.isclass(first) and issubclass(first, BaseModel) else None


def _type(field: FieldInfo) -> str:
    kind, rules = _plain(field.annotation, field.metadata)
    if _is_time(rules):
        return f"time{_bounds(rules, _time)}".removesuffix(", ≥ 0")
    if get_origin(kind) is Literal:
        return ", ".join(f"`{one}`" for one in get_args(kind))
    if get_origin(kind) is tuple:
        return "list of tables" if _listed(field) else "list of texts"
    if get_origin(kind) is dict:
        return "table"
    if any(isinstance(one, PathType) for one in rules):
        return "path of a file"
    pattern = next((one for rule in rules if (one := getattr(rule, "pattern", None))), None)
    matching = f" like `{_escaped(pattern)}`" if pattern else ""
    return NAMES[kind] + matching + _bounds(rules, str)


def _plain(kind: Any, rules: Sequence[Any]) -> tuple[Any, list[Any]]:
    """A type without what is wrapped around it, and all rules for it; None is said by defaults."""
    found = list(rules)
    while True:
        if get_origin(kind) is Annotated:
            kind, *more = get_args(kind)
            for one in more:
                found += one.metadata if isinstance(one, FieldInfo) else [one]
        elif get_origin(kind) in (Union, UnionType):
            (kind,) = (one for one in get_args(kind) if one is not type(None))
        else:
            return kind, found


def _is_time(rules: Sequence[Any]) -> bool:
    return any(isinstance(one, BeforeValidator) and one.func is milliseconds for one in rules)


def _bounds(rules: Sequence[Any], shown: Callable[[Any], str]) -> str:
    """The nearest of each kind: a field's own rules come before those of its type."""
    first: dict[type, Any] = {}
    for one in rules:
        first.setdefault(type(one), one)
    if Ge in first and Le in first:
        return f", {shown(first[Ge].ge)} to {shown(first[Le].le)}"
    limits = {Ge: ("≥", "ge"), Gt: (">", "gt"), Le: ("≤", "le"), Lt: ("<", "lt")}
    return "".join(
        f", {sign} {shown(getattr(first[kind], name))}"
        for kind, (sign, name) in limits.items()
        if kind in first
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "to be set"
    given = field.get_default(call_default_factory=True)
    if isinstance(given, SecretStr):
        given = given.get_secret_value()
    if given is None or given in ("", (), {}):
        return "none"
    if _is_time(_plain(field.annotation, field.metadata)[1]):
        return f"`{_time(given)}`"
    if isinstance(given, str | Path):
        return f"`{_escaped(str(given))}`"
    return f"`{json.dumps(given)}`"


def _time(ms: int) -> str:
    """In the largest unit of which it is a whole number."""
    unit = max((one for one, length in UNITS.items() if ms % length == 0), key=UNITS.__getitem__)
    return f"{ms // UNITS[unit]}{unit}" if ms else "0"


def _escaped(text: str) -> str:
    return text.replace("|", r"\|").replace("*", r"\*")


if __name__ == "__main__":
    sys.stdout.write(reference())
