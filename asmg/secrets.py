"""What is secret among the settings: it comes from the environment alone, and no error shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from stream.errors import ConfigurationError

#: Settings of which an error never shows what was given: it may hold a password, or be one in a wrong place.
_UNSHOWN = ("redis", "kafka.options", "ingest.options", "ingest.registry", "store.folder")
#: The same of whatever is named like this, rightly or nearly, and of a section given whole that has one.
_NAMED = re.compile(r"tok|secret|passw|^serving$")
#: Settings that are secrets, by section, and what the environment calls them.
SECRETS = {
    "redis": {"username": "ASMG_REDIS_USERNAME", "password": "ASMG_REDIS_PASSWORD"},
    "serving": {"rank_token": "ASMG_SERVING_RANK_TOKEN", "admin_token": "ASMG_SERVING_ADMIN_TOKEN"},
    "ingest": dict.fromkeys(("username", "registry_username"), "ASMG_REGISTRY_USERNAME")
    | dict.fromkeys(("password", "registry_password"), "ASMG_REGISTRY_PASSWORD"),
}
#: What shows that redis.url holds one.
_IN_URL = re.compile(r"@|password=|username=")
#: Of librdkafka's settings those that are secrets: passwords, passphrases, client secrets, keys as PEM.
_OF_KAFKA = re.compile(r"passw|passphrase|secret|key\.pem$")


def require_no_secret(given: Mapping[str, object], where: str) -> None:
    """Raises: ConfigurationError: there is a secret among these settings; where: what holds them."""
    for section, told in given.items():
        if not isinstance(told, Mapping):
            continue
        for name, variable in _found(section, told):
            raise ConfigurationError(
                f"{section}.{name} of {where} holds what only the environment may: "
                f"set {variable} there, and take it away here"
            )


def _found(section: str, told: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Each secret in a section, and what to set in its stead; in options by name, which is not a secret."""
    for name, variable in SECRETS.get(section, {}).items():
        if name in told:
            yield name, variable
    if section == "redis" and _IN_URL.search(str(told.get("url", ""))):
        yield "url", "ASMG_REDIS_URL"
    options = told.get("options")
    if isinstance(options, Mapping):
        for name in options:
            if _OF_KAFKA.search(str(name)):
                yield "options", f'ASMG_{section.upper()}_OPTIONS=\'{{"{name}": "…"}}\''


def shown(setting: str, given: object) -> str:
    """` (given: …)`, or nothing where it may be a secret; setting: its name with dots."""
    if _NAMED.search(setting) or any(f"{setting}.".startswith(f"{one}.") for one in _UNSHOWN):
        return ""
    return f" (given: {given!r})"
