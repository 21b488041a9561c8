"""What serving says of itself: asked where it is set to listen, or where a demo's said that it does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.error import HTTPError, URLError

from asmg.caller import Caller
from asmg.config import Settings
from asmg.home import MARKER
from asmg.watch import state_at
from serving.state import State
from stream.records import now

#: What serving logs once it listens.
_SAID = re.compile(rb"serving on (https?)://([\w.:]+):(\d+)\b")

_UNKNOWN = "serving.port is 0, and no serving.port_file tells which it took"


@dataclass(frozen=True)
class Heard:
    """What was heard of serving when it was last asked."""

    address: str = ""  # where it was asked; "" where nobody knows
    state: State | None = None  # None: it does not answer
    trouble: str | None = None  # why
    before: State | None = None  # what it said when it last answered
    before_at: int = 0  # ms, wall clock

    @property
    def silence(self) -> str | None:
        """That it does not answer, and why, in a sentence; None where it does."""
        if self.trouble is None:
            return None
        where = f" at {self.address}" if self.address else ""
        return f"Serving does not answer: {self.trouble}{where}"


class Hearing:
    """Asks again and again, and remembers what was said last."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._caller = Caller.of(settings.serving)
        self._last = Heard()

    def ask(self, closed_at: Mapping[int, int]) -> Heard:
        """What it says now. closed_at: by period, as Kafka tells; another loop's serving is not heard."""
        silent: Heard | None = None
        for address in self._where():
            heard = _ask(self._caller, address, closed_at)
            if heard.state is not None:
                self._last = replace(heard, before=heard.state, before_at=now())
                return self._last
            silent = silent or heard
        before, at = self._last.before, self._last.before_at
        self._last = replace(silent or Heard(trouble=_UNKNOWN), before=before, before_at=at)
        return self._last

    def _where(self) -> Iterator[str]:
        """Where it was heard last, then wherever it may be."""
        last = self._last.address if self._last.state is not None else ""
        if last:
            yield last
        yield from (one for one in dict.fromkeys(addresses(self._settings)) if one != last)


def addresses(settings: Settings) -> Iterator[str]:
    """By the file that is told the port, by a demo's log, by the settings."""
    serving, caller = settings.serving, Caller.of(settings.serving)
    if serving.port_file is not None and (port := _read(serving.port_file).strip()).isdigit():
        yield caller.address(serving.host, int(port))
    if (settings.home / MARKER).exists():  # a demo takes another port where its own is not free
        for scheme, host, at in _SAID.findall(_read(settings.home / "logs" / "serve.log"))[-1:]:
            yield caller.address(host.decode(), int(at), scheme.decode())
    if serving.port:
        yield caller.address(serving.host, serving.port)


def _ask(caller: Caller, address: str, closed_at: Mapping[int, int]) -> Heard:
    try:
        state = state_at(address, caller)
    except HTTPError as error:
        return Heard(address, trouble=caller.refused(error))
    except OSError as error:
        return Heard(address, trouble=_why(error))
    except ValueError:
        return Heard(address, trouble="something else answers")
    if not _same_loop(state, closed_at):
        return Heard(address, trouble="another loop is served")
    return Heard(address, state)


def _same_loop(state: State, closed_at: Mapping[int, int]) -> bool:
    """Whether the periods it tells of are Kafka's; without any of them there is nothing to compare."""
    told = {row.period: row.closed_at for row in state.periods}
    both = told.keys() & closed_at.keys()
    return all(told[period] == closed_at[period] for period in both) and bool(both or not told)


def _why(error: OSError) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    told = reason.strerror if isinstance(reason, OSError) else None
    return told.lower() if told else str(reason)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
