"""The chain of accepted manifests: of each number the first whose parent is the accepted one before."""

from __future__ import annotations

from stream.errors import ConfigurationError
from stream.records import Manifest


class Manifests(list[Manifest]):
    """By period, from number 0, which records the settings."""

    def take(self, manifest: Manifest) -> bool:
        """Accepts the next of the chain, and says so; anything else is passed over."""
        if manifest.period != len(self) or manifest.parent != self.parent:
            return False
        self.append(manifest)
        return True

    @property
    def parent(self) -> str:
        """What the next manifest has to name."""
        return self[-1].hash() if self else ""


def check_settings(first: Manifest, mine: dict[str, int | str | None]) -> None:
    """Raises: ConfigurationError: manifest number 0 was made under other settings than mine; it names one."""
    for name in sorted(first.settings.keys() | mine.keys()):
        there, here = first.settings.get(name), mine.get(name)
        if there != here:
            raise ConfigurationError(
                f"stream.{name} is {here}, but the periods of these topics were begun with {there}: "
                "set it as it was, or another kafka.prefix"
            )
