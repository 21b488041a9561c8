"""The state as bytes: encoded once by the keeper, handed on as they are by every process that answers."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from serving.board import Row
from serving.health import Health
from serving.state import NOTHING, State


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """What page and API tell of the state, as JSON."""

    health: Health
    pulse: bytes  # all but periods, moments and swaps
    periods: bytes = b"[]"
    number: int = 0  # how often the periods have changed
    changed: bytes = b""  # rows that were new or other at the last change, and the numbers of all listed
    lines: bytes = b'"moments":[],"swaps":[]'

    def whole(self) -> bytes:
        """The state, all of it."""
        return b'%b,"periods":%b,%b}' % (self.pulse[:-1], self.periods, self.lines)


class Teller:
    """Encodes state after state, and only what has changed."""

    def __init__(self) -> None:
        self.telling = Telling(health=NOTHING.health, pulse=_json(NOTHING.pulse()))
        self._last = NOTHING

    def tell(self, state: State) -> Telling:
        """The state as it is now."""
        last, told, changes = self._last, self.telling, dict[str, object]()
        if state.periods is not last.periods and state.periods != last.periods:
            changes["periods"] = _json(state.periods)
            changes["changed"] = _json(_changed(last.periods, state.periods))
            changes["number"] = told.number + 1
        if state.moments is not last.moments or state.swaps is not last.swaps:
            changes["lines"] = b'"moments":%b,"swaps":%b' % (_json(state.moments), _json(state.swaps))
        self._last = state
        self.telling = msgspec.structs.replace(
            told, health=state.health, pulse=_json(state.pulse()), **changes
        )
        return self.telling


def _changed(before: Sequence[Row], rows: Sequence[Row]) -> dict[str, object]:
    known = {row.period: row for row in before}
    return {
        "changed": [row for row in rows if known.get(row.period) != row],
        "listed": [row.period for row in rows],
    }


def _json(content: object) -> bytes:
    return msgspec.json.encode(content)
