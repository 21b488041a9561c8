"""Reasons of dead letters as few enough names to count by: they may quote what somebody sent."""

from __future__ import annotations

import re

#: A name is cut to this many characters, and so many differ before the next ones are `OTHER`.
LONGEST, MOST = 80, 30
OTHER = "other"

_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_NUMBER = re.compile(r"-?\d+")


class Reasons:
    """Names reasons; those it has named before keep their names."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def name(self, reason: bytes | None) -> str:
        """The reason with `…` for what it quotes and `#` for numbers; `OTHER` for the `MOST` + 1st and on."""
        text = (reason or b"none given").decode(errors="replace")
        name = _NUMBER.sub("#", _QUOTED.sub("…", text))[:LONGEST]
        if name not in self._known and len(self._known) >= MOST:
            return OTHER
        self._known.add(name)
        return name
