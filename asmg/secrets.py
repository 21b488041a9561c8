"""What is secret among the settings: it comes from the environment alone, and no error shows it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from stream.errors import ConfigurationError

#: Settings of which an error never shows what was given: it may hold a password, or be one in a wrong place.
_UNSHOWN = ("redis", "kafka.options", "store.folder")


def require_no_secret(given: Mapping[str, object], where: str) -> None:
    """Raises: ConfigurationError: there is a secret among these settings; where: what holds them."""
    redis = given.get("redis")
    if not isinstance(redis, Mapping):
        return
    found = [name for name in ("username", "password") if name in redis]
    if re.search(r"@|password=|username=", str(redis.get("url", ""))):
        found.append("url")
    if found:
        raise ConfigurationError(
            f"redis.{found[0]} of {where} holds what only the environment may: "
            f"set ASMG_REDIS_{found[0].upper()} there, and take it away here"
        )


def shown(setting: str, given: object) -> str:
    """` (given: …)`, or nothing where it may be a secret; setting: its name with dots."""
    if any(f"{setting}.".startswith(f"{one}.") for one in _UNSHOWN):
        return ""
    return f" (given: {given!r})"
