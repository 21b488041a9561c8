"""What is secret among the settings: it comes from the environment alone, and no error shows it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from stream.errors import ConfigurationError

#: Settings of which an error never shows what was given: it may hold a password, or be one in a wrong place.
_UNSHOWN = ("redis", "kafka.options", "ingest.options", "ingest.registry", "store.folder")
#: The same of whatever is named like this, rightly or nearly, and of a section given whole that has one.
_NAMED = re.compile(r"tok|secret|passw|^serving$")
#: Settings that are secrets, by section.
SECRETS = {"redis": ("username", "password"), "serving": ("rank_token", "admin_token")}


def require_no_secret(given: Mapping[str, object], where: str) -> None:
    """Raises: ConfigurationError: there is a secret among these settings; where: what holds them."""
    for section, secrets in SECRETS.items():
        told = given.get(section)
        if not isinstance(told, Mapping):
            continue
        found = [name for name in secrets if name in told]
        if section == "redis" and re.search(r"@|password=|username=", str(told.get("url", ""))):
            found.append("url")
        if found:
            raise ConfigurationError(
                f"{section}.{found[0]} of {where} holds what only the environment may: "
                f"set ASMG_{section.upper()}_{found[0].upper()} there, and take it away here"
            )


def shown(setting: str, given: object) -> str:
    """` (given: …)`, or nothing where it may be a secret; setting: its name with dots."""
    if _NAMED.search(setting) or any(f"{setting}.".startswith(f"{one}.") for one in _UNSHOWN):
        return ""
    return f" (given: {given!r})"
