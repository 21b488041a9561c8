"""The processes that answer, as their keeper sees them: started, given models, listened to, replaced.

A model is taken up in two steps: every process maps and warms it, and only when all of them are ready does
each switch to it between two requests. One that refuses, or dies over it, keeps it from all: the last good
model serves on.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

from serving.bundle import Bundle
from serving.channel import (
    GRACE,
    Beat,
    Begin,
    Beside,
    Channel,
    Closed,
    Drain,
    Forget,
    Left,
    Open,
    Prepare,
    Ready,
    Refused,
    Report,
    Show,
    Switch,
    Told,
    Up,
)
from serving.health import Standing
from serving.state import Process
from serving.telling import Telling
from stream.errors import AsmgError, CorruptArtefact
from stream.niceness import ACCOMPANIES, thread_stands_back
from stream.records import Kind

#: Seconds a process may take to prepare a model, and to load what it needs at its start.
PREPARING, LOADING = 30.0, 120.0
#: Seconds a process may leave a message unread: it has stopped, and is ended.
PATIENCE = 5.0
#: Ends of processes before they have answered at all, one after the other, that end serving.
TRIES = 3

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Held:
    """A model that processes have, kept for those that will be started."""

    bundle: Bundle
    kind: Kind
    version: int


class _Answerer:
    """One process."""

    def __init__(self, begin: Begin, listener: socket.socket) -> None:
        mine, theirs = socket.socketpair()
        with theirs:
            fds = (theirs.fileno(), listener.fileno())
            self.process = subprocess.Popen(
                [sys.executable, "-m", "serving.answerer", *map(str, fds)],
                pass_fds=fds,
                stdin=subprocess.DEVNULL,
                # One thread computes; more would only get in each other's way.
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
        self.channel = Channel(mine, PATIENCE)
        self.since = time.monotonic()
        self.open = False  # whether it takes connections
        self.serving: Held | None = None
        self.beside: Held | None = None
        # What each Switch or Beside has replaced, until the process has let go: the memory is then given
        # back by the keeper, for whom no request waits.
        self.leaving: deque[tuple[Held | None, ...]] = deque()
        self.requests = 0
        self.histories_behind = self.unreadable = 0
        with contextlib.suppress(Closed):  # it has ended already, as `tend` will find
            self.channel.send(begin)

    @property
    def pid(self) -> int:
        return self.process.pid

    def end(self) -> None:
        self.channel.close()
        self.process.kill()
        self.process.wait()


class Crew:
    """The processes; all calls from one thread.

    on_report: is given what each of them reports.
    """

    def __init__(
        self, begin: Begin, listener: socket.socket, workers: int, on_report: Callable[[Report], None]
    ) -> None:
        self.standing: Standing | None = None
        self.explains = False  # whether somebody wants the model that serves explained: another beside it
        self._begin, self._listener, self._on_report = begin, listener, on_report
        self._serving: Held | None = None
        self._beside: Held | None = None
        self._telling: Telling | None = None
        self._failed = 0
        # A process begins with the niceness of the thread that starts it, and the keeper's own is another.
        self._starter = ThreadPoolExecutor(1, "starter")
        self._all = [self._start() for _ in range(workers)]
        thread_stands_back(ACCOMPANIES)

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in self._all:
            self._send(one, Drain())
        deadline = time.monotonic() + 2 * GRACE  # answering, then writing what was logged
        for one in self._all:
            try:
                one.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _log.warning("process %d did not end in time; ended without what it was at", one.pid)
            one.end()
        for held in (self._serving, self._beside):
            if held is not None:
                held.bundle.close()
        self._starter.shutdown()

    @property
    def answers(self) -> bool:
        """Whether one of them takes connections."""
        return any(one.open for one in self._all)

    @property
    def processes(self) -> list[Process]:
        """What each of them has."""
        return [
            Process(
                pid=one.pid,
                kind=one.serving.kind if one.serving else None,
                version=one.serving.version if one.serving else None,
                requests=one.requests,
            )
            for one in self._all
        ]

    @property
    def histories_behind(self) -> int:
        """Records of histories that the slowest has not taken yet."""
        return max(one.histories_behind for one in self._all)

    @property
    def unreadable(self) -> int:
        """Records of histories that nobody can read: each process reads all of them."""
        return max(one.unreadable for one in self._all)

    def bring(self, bundle: Bundle, standing: Standing) -> None:
        """Answer with this model from now on, with none beside it. The bundle is the crew's from here.

        Raises: CorruptArtefact: a process cannot use it; nothing has changed.
        """
        held = Held(bundle, standing.kind, standing.version)
        for one in self._prepare_all(held):
            self._switch(one, held, standing)
        self._serving, self._beside, self.standing, self.explains = held, None, standing, False

    def put_beside(self, bundle: Bundle, kind: Kind, version: int) -> None:
        """Keep this model for comparisons. The bundle is the crew's from here.

        Raises: CorruptArtefact: a process cannot use it; nothing has changed.
        """
        held = Held(bundle, kind, version)
        for one in self._prepare_all(held):
            self._compare(one, held)
        self._beside = held

    def show(self, telling: Telling) -> None:
        """Have page and API tell this."""
        before, self._telling = self._telling, telling
        told: Told = Show(telling=telling)
        if before is not None and (telling.number, telling.lines) == (before.number, before.lines):
            told = Beat(health=telling.health, pulse=telling.pulse)
        for one in self._all:
            if one.open:
                self._send(one, told)

    def tend(self) -> None:
        """Take what they have said, and replace those that ended.

        Raises: AsmgError: they end as soon as they are started.
        """
        for place, one in enumerate(self._all):
            try:
                while one.channel.waits(0.0):
                    self._take(one)
            except Closed:
                self._all[place] = self._instead_of(one)
            else:
                if not one.open and time.monotonic() - one.since > LOADING:
                    self._all[place] = self._instead_of(one)

    def _take(self, one: _Answerer) -> Ready | Refused | None:
        """One message; what it says of a model that is being prepared."""
        message = one.channel.said()
        if isinstance(message, Report):
            one.requests += sum(message.statuses.values())
            one.histories_behind, one.unreadable = message.histories_behind, message.unreadable
            self.explains |= message.explains
            self._on_report(message)
            return None
        if isinstance(message, Up):
            self._equip(one)
            return None
        if isinstance(message, Left):
            one.leaving.popleft()
            return None
        return message

    def _equip(self, one: _Answerer) -> None:
        """Give a process that has just come what the others have, then let it answer."""
        if self._serving is not None and self.standing is not None:
            if not self._prepare(one, self._serving):
                raise Closed  # it must not answer in another's stead
            self._switch(one, self._serving, self.standing)
        if self._beside is not None and self._prepare(one, self._beside):
            self._compare(one, self._beside)
        if self._telling is not None:
            one.channel.send(Show(telling=self._telling))
        one.channel.send(Open())
        one.open = True
        self._failed = 0

    def _prepare(self, one: _Answerer, held: Held) -> bool:
        self._offer(one, held)
        answer = self._answer(one, time.monotonic() + PREPARING)
        if isinstance(answer, Refused):
            _log.error("process %d refuses what others serve: %s", one.pid, answer.why)
        return isinstance(answer, Ready)

    def _prepare_all(self, held: Held) -> list[_Answerer]:
        """Those that are ready to switch.

        Raises: CorruptArtefact: one refuses, or died over it; the bundle is let go.
        """
        try:
            return self._all_ready(held)
        except CorruptArtefact:
            held.bundle.close()
            raise

    def _all_ready(self, held: Held) -> list[_Answerer]:
        asked = [one for one in self._all if one.open]
        if not asked:
            raise CorruptArtefact("no process is there yet to take it up")
        deadline, why = time.monotonic() + PREPARING, ""
        alive = []
        for one in asked:
            try:
                self._offer(one, held)
                alive.append(one)
            except Closed:
                continue  # it had died before; `tend` replaces it
        ready = []
        for one in alive:
            try:
                answer = self._answer(one, deadline)
            except Closed:
                why = why or f"process {one.pid} ended while it took it up"
                continue
            if isinstance(answer, Ready):
                ready.append(one)
            else:
                why = why or answer.why
        if why:
            for one in ready:
                self._send(one, Forget())
            raise CorruptArtefact(why)
        return ready

    def _offer(self, one: _Answerer, held: Held) -> None:
        one.channel.send(
            Prepare(kind=held.kind, version=held.version, spans=held.bundle.spans), held.bundle.fd
        )

    def _answer(self, one: _Answerer, deadline: float) -> Ready | Refused:
        """What a process says to a model. Raises: Closed: it ends, or takes too long and is ended."""
        while one.channel.waits(max(0.0, deadline - time.monotonic())):
            if (answer := self._take(one)) is not None:
                return answer
        _log.error("process %d has not taken up a model in %.0f s: ended", one.pid, PREPARING)
        one.process.kill()
        raise Closed

    def _switch(self, one: _Answerer, held: Held, standing: Standing) -> None:
        one.leaving.append((one.serving, one.beside))
        one.serving, one.beside = held, None
        self._send(one, Switch(standing=standing))

    def _compare(self, one: _Answerer, held: Held) -> None:
        one.leaving.append((one.beside,))
        one.beside = held
        self._send(one, Beside(kind=held.kind, version=held.version))

    def _send(self, one: _Answerer, message: Told) -> None:
        try:
            one.channel.send(message)
        except Closed:
            one.process.kill()  # if it has not ended: half a message is none. `tend` replaces it

    def _instead_of(self, one: _Answerer) -> _Answerer:
        one.end()
        self._failed = 0 if one.open else self._failed + 1
        if self._failed >= TRIES:
            raise AsmgError(
                f"a process that answers has ended {TRIES} times before it answered; see what stands above"
            )
        _log.warning(
            "process %d that answered has ended (%s): another is started", one.pid, one.process.returncode
        )
        return self._start()

    def _start(self) -> _Answerer:
        return self._starter.submit(_Answerer, self._begin, self._listener).result()
