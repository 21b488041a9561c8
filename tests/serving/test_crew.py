"""A model is taken up by every process or by none, and one that ends is replaced by one that has all of it.

The processes are threads here, at the other end of the same sockets.
"""

from __future__ import annotations

import gc
import itertools
import os
import socket
import subprocess
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from msgspec.structs import replace
from serving_factory import page_state

from serving import crew as of_crew
from serving.bundle import Bundle, Mapped
from serving.channel import (
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
    begin,
)
from serving.crew import Crew
from serving.health import Standing
from serving.settings import ServingSettings
from serving.state import NOTHING, Moment, Process, State
from serving.telling import Teller, Telling
from stream.errors import AsmgError, CorruptArtefact
from stream.records import Kind
from stream.settings import StreamSettings
from stream.topics import Topics
from trainer.parts import table_of
from trainer.settings import TrainerSettings

#: Seconds that anything may take here.
DEADLINE = 10

BEGIN = begin({}, Topics("t."), 3, StreamSettings(), TrainerSettings(), ServingSettings())


@dataclass
class Script:
    """What a process does."""

    up: threading.Event | None = None  # it comes up once this is set; None: at once
    dies_at: str = ""  # the name of a message that ends it
    refuses: set[int] = field(default_factory=set)  # versions
    takes_up: threading.Event | None = None  # it answers to a model once this is set; None: at once
    reads: bool = True  # whether it takes messages once it is open
    leaves: threading.Event | None = None  # it lets go of what is replaced once this is set; None: at once
    stays: bool = False  # whether it goes on after it was told to end


class Peer:
    """A process as `subprocess.Popen` starts it, living in a thread."""

    pids = itertools.count(101)

    def __init__(self, script: Script, arguments: list[str], more: dict[str, Any]) -> None:
        self.script, self.arguments, self.environment = script, arguments, more["env"]
        self.pid, self.returncode = next(self.pids), None
        self.told: list[Told] = []
        self.models: list[list[int]] = []  # what it found in the memory of each model
        self._killed = threading.Event()
        self._end = socket.socket(fileno=os.dup(more["pass_fds"][0]))
        self.channel = Channel(self._end)
        if script.dies_at == "start":
            self.channel.close()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def names(self) -> list[str]:
        return [type(one).__name__ for one in self.told]

    def last(self) -> str:
        return self.names()[-1] if self.told else ""

    def kill(self) -> None:
        """It ends at once."""
        self._killed.set()
        with suppress(OSError):  # it has ended already
            self._end.shutdown(socket.SHUT_RDWR)
        for held in (self.script.up, self.script.takes_up, self.script.leaves):
            if held is not None:
                held.set()
        self._thread.join(DEADLINE)

    def wait(self, timeout: float | None = None) -> int:
        self._thread.join(DEADLINE if timeout is None else timeout)
        if self._thread.is_alive():
            raise subprocess.TimeoutExpired(self.arguments, timeout or DEADLINE)
        self.returncode = -9 if self._killed.is_set() else 0  # type: ignore[assignment]
        return self.returncode  # type: ignore[return-value]

    def report(self, requests: int, behind: int = 0, unreadable: int = 0, explains: bool = False) -> Report:
        report = Report(
            statuses={200: requests}, seconds=[0.001] * requests, unknown_users=0, unknown_items=0,
            impressions=0, impressions_lost=0, histories=0, histories_behind=behind, unreadable=unreadable,
            explains=explains,
        )  # fmt: skip
        self.channel.send(report)
        return report

    def _run(self) -> None:
        with suppress(Closed):
            self._live()
        self.channel.close()

    def _live(self) -> None:
        script = self.script
        while True:
            told, fd = self.channel.told()
            self.told.append(told)
            if fd is not None:
                assert isinstance(told, Prepare)
                mapped = Mapped(fd, told.spans)
                os.close(fd)
                self.models.append(mapped.parts["user"]["row"].to_pylist())
                del mapped
            if type(told).__name__ == script.dies_at:
                return
            match told:
                case Begin():
                    if script.up is not None:
                        script.up.wait(DEADLINE)
                    self.channel.send(Up())
                case Prepare():
                    if script.takes_up is not None:
                        script.takes_up.wait(DEADLINE)
                    refuses = told.version in script.refuses
                    self.channel.send(Refused(why=f"{told.version} is odd") if refuses else Ready())
                case Switch() | Beside():
                    if script.leaves is not None:
                        script.leaves.wait(DEADLINE)
                    self.channel.send(Left())
                case Open() if not script.reads:
                    self._killed.wait(DEADLINE)
                case Drain():
                    if script.stays:
                        self._killed.wait(DEADLINE)
                    return


class Stage:
    """Peers by the order they were started in, and what those to come will do."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.scripts: list[Script] = []  # of the first ones; all after them do as they are told
        self.reports: list[Report] = []
        self._pair, self._sockets = socket.socketpair, list[socket.socket]()

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """The two ends of a process's channel."""
        self._sockets += (made := self._pair())
        return made

    def start(self, arguments: list[str], **more: Any) -> Peer:
        script = self.scripts[len(self.peers)] if len(self.peers) < len(self.scripts) else Script()
        self.peers.append(Peer(script, arguments, more))
        return self.peers[-1]

    def crew(self, workers: int, *scripts: Script) -> Crew:
        self.scripts = list(scripts)
        return Crew(BEGIN, self.listener, workers, self.reports.append)

    def up(self, workers: int, *scripts: Script) -> Crew:
        """A crew whose processes all take connections."""
        crew = self.crew(workers, *scripts)
        tended(crew, lambda: all(one.open for one in crew._all))
        return crew

    @property
    def listener(self) -> socket.socket:
        return self._listener

    def __enter__(self) -> Stage:
        self._listener = socket.socket()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for peer in self.peers:
            peer.kill()
        for one in self._sockets:
            one.close()


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with Stage() as stage:
        monkeypatch.setattr(of_crew.subprocess, "Popen", stage.start)
        monkeypatch.setattr(of_crew.socket, "socketpair", stage.pair)
        monkeypatch.setattr(of_crew, "thread_stands_back", lambda _by: None)  # it stays so
        yield stage


def wait(until: Callable[[], bool], do: Callable[[], object] = lambda: None) -> None:
    deadline = time.monotonic() + DEADLINE
    while not until():
        assert time.monotonic() < deadline
        do()
        threading.Event().wait(0.001)


def tended(crew: Crew, until: Callable[[], bool]) -> None:
    """Until the condition holds, the keeper does what it does over and over."""
    wait(until, crew.tend)


def model(number: int) -> Bundle:
    return Bundle({"user": table_of({"row": pa.array(np.full(3, number))})})


def standing(version: int, kind: Kind = "theta") -> Standing:
    return Standing(version, kind, version, 1_000 * version)


def bring(crew: Crew, version: int, kind: Kind = "theta") -> weakref.ref[Bundle]:
    bundle = model(version)
    crew.bring(bundle, standing(version, kind))
    return weakref.ref(bundle)


def put_beside(crew: Crew, version: int, kind: Kind = "theta") -> weakref.ref[Bundle]:
    bundle = model(version)
    crew.put_beside(bundle, kind, version)
    return weakref.ref(bundle)


def closed(bundle: weakref.ref[Bundle]) -> bool:
    """Whether its memory is not the keeper's any more."""
    there = bundle()
    try:
        return there is None or os.fstat(there.fd).st_size < 0
    except OSError:
        return True


class Elsewhere:
    """A call in a thread of its own, whose outcome is asked for later."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work, self._error = work, list[BaseException]()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self._error.append(error)

    @property
    def goes_on(self) -> bool:
        return self._thread.is_alive()

    def over(self) -> None:
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()
        if self._error:
            raise self._error[0]


def test_each_process_is_given_its_socket_the_listener_and_what_to_answer_with(stage: Stage) -> None:
    with stage.up(2) as crew:
        for peer in stage.peers:
            assert peer.arguments[1:3] == ["-m", "serving.answerer"]
            assert int(peer.arguments[4]) == stage.listener.fileno()
            assert peer.environment["OPENBLAS_NUM_THREADS"] == "1"
            wait(lambda peer=peer: peer.last() == "Open")  # type: ignore[misc]
            assert peer.told == [BEGIN, Open()]
        assert crew.processes == [Process(pid=peer.pid) for peer in stage.peers]
        assert crew.standing is None


def test_every_process_prepares_the_model_and_then_switches(stage: Stage) -> None:
    with stage.up(3) as crew:
        bring(crew, 7, "star")
        for peer in stage.peers:
            wait(lambda peer=peer: peer.last() == "Switch")  # type: ignore[misc]
            assert peer.names() == ["Begin", "Open", "Prepare", "Switch"]
            assert peer.told[-1] == Switch(standing=standing(7, "star"))
            assert peer.models == [[7, 7, 7]]
        assert crew.standing == standing(7, "star")
        assert {(one.kind, one.version) for one in crew.processes} == {("star", 7)}


def test_nobody_switches_before_all_are_ready(stage: Stage) -> None:
    slow = threading.Event()
    with stage.up(3, Script(), Script(takes_up=slow)) as crew:
        bringing = Elsewhere(lambda: bring(crew, 1))
        wait(lambda: all("Prepare" in peer.names() for peer in stage.peers))
        threading.Event().wait(0.02)  # those that are ready have said so long ago
        assert bringing.goes_on
        assert not any("Switch" in peer.names() for peer in stage.peers)
        assert crew.standing is None
        slow.set()
        bringing.over()
        for peer in stage.peers:
            wait(lambda peer=peer: peer.last() == "Switch")  # type: ignore[misc]


def test_where_one_refuses_nobody_switches_and_the_others_forget(stage: Stage) -> None:
    with stage.up(3, Script(), Script(refuses={2})) as crew:
        first = bring(crew, 1)
        bad = model(2)
        with pytest.raises(CorruptArtefact, match="2 is odd"):
            crew.bring(bad, standing(2))
        for peer in (stage.peers[0], stage.peers[2]):
            wait(lambda peer=peer: peer.last() == "Forget")  # type: ignore[misc]
            assert peer.told[-1] == Forget()
        assert all(peer.names().count("Switch") == 1 for peer in stage.peers)
        assert crew.standing == standing(1)
        assert {one.version for one in crew.processes} == {1}
        assert closed(weakref.ref(bad))
        assert not closed(first)

        bring(crew, 3)
        for peer in stage.peers:
            wait(lambda peer=peer: peer.last() == "Switch")  # type: ignore[misc]
        assert crew.standing == standing(3)
        tended(crew, lambda: closed(first))


def test_memory_is_given_back_by_the_keeper_once_the_last_process_has_let_go(stage: Stage) -> None:
    may = threading.Event()
    may.set()
    with stage.up(2, Script(), Script(leaves=may)) as crew:
        first, beside = bring(crew, 1), put_beside(crew, 1, "star")
        tended(crew, lambda: not crew._all[1].leaving)
        may.clear()
        second = bring(crew, 2)
        tended(crew, lambda: not crew._all[0].leaving)
        assert not any(map(closed, (first, beside, second)))
        may.set()
        tended(crew, lambda: closed(first) and closed(beside))
        other = put_beside(crew, 2, "star")
        tended(crew, lambda: not crew._all[1].leaving)
        may.clear()
        another = put_beside(crew, 2, "ema")
        tended(crew, lambda: not crew._all[0].leaving)
        assert not any(map(closed, (second, other, another)))
        may.set()
        tended(crew, lambda: closed(other))
        assert not any(map(closed, (second, another)))


def test_an_explanation_that_one_process_waits_for_is_of_the_model_that_serves(stage: Stage) -> None:
    with stage.up(2) as crew:
        bring(crew, 1)
        assert not crew.explains
        stage.peers[1].report(0, explains=True)
        tended(crew, lambda: crew.explains)
        stage.peers[1].report(0)
        tended(crew, lambda: len(stage.reports) == 2)
        assert crew.explains  # whoever asked may have given up; the next will not have to wait
        bring(crew, 2)
        assert not crew.explains


def test_one_that_comes_after_a_switch_has_nothing_beside_what_serves(stage: Stage) -> None:
    with stage.up(1) as crew:
        bring(crew, 1)
        put_beside(crew, 1, "star")
        bring(crew, 2)
        stage.peers[0].kill()
        tended(crew, lambda: len(stage.peers) == 2 and crew._all[0].open)
        wait(lambda: stage.peers[1].last() == "Open")
        assert stage.peers[1].names() == ["Begin", "Prepare", "Switch", "Open"]


def test_a_process_that_ends_has_let_go(stage: Stage) -> None:
    may = threading.Event()
    may.set()
    with stage.up(2, Script(), Script(leaves=may)) as crew:
        first = bring(crew, 1)
        tended(crew, lambda: not crew._all[1].leaving)
        may.clear()
        bring(crew, 2)
        tended(crew, lambda: not crew._all[0].leaving)
        assert not closed(first)
        stage.peers[1].kill()
        tended(crew, lambda: closed(first) and len(stage.peers) == 3)
        tended(crew, lambda: crew._all[1].open and not crew._all[1].leaving)


def test_one_that_dies_over_a_model_refuses_it(stage: Stage) -> None:
    with stage.up(2, Script(), Script(dies_at="Prepare")) as crew:
        with pytest.raises(CorruptArtefact, match=f"process {stage.peers[1].pid} ended while it took it up"):
            bring(crew, 1)
        wait(lambda: stage.peers[0].last() == "Forget")
        assert crew.standing is None
        tended(crew, lambda: len(stage.peers) == 3)
        tended(crew, lambda: all(one.open for one in crew._all))
        assert "Prepare" not in stage.peers[2].names()
        assert [one.pid for one in crew.processes] == [stage.peers[0].pid, stage.peers[2].pid]


def test_one_that_takes_too_long_over_a_model_is_ended_and_refuses_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stage.up(2, Script(takes_up=threading.Event())) as crew:
        monkeypatch.setattr(of_crew, "PREPARING", 0.05)
        with pytest.raises(CorruptArtefact, match=f"process {stage.peers[0].pid} ended"):
            bring(crew, 1)
        assert stage.peers[0]._killed.is_set()
        monkeypatch.setattr(of_crew, "PREPARING", DEADLINE)
        tended(crew, lambda: len(stage.peers) >= 3 and all(one.open for one in crew._all))


def test_one_that_was_ready_is_not_ended_with_one_that_takes_too_long(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stage.up(2, Script(takes_up=threading.Event())) as crew:
        monkeypatch.setattr(of_crew, "PREPARING", 0.2)
        with pytest.raises(CorruptArtefact):
            bring(crew, 1)
        assert not stage.peers[1]._killed.is_set()
        wait(lambda: stage.peers[1].last() == "Forget")


def test_one_that_had_died_before_a_model_came_does_not_keep_it_from_the_others(stage: Stage) -> None:
    with stage.up(2) as crew:
        stage.peers[1].kill()
        bring(crew, 1)
        assert crew.standing == standing(1)
        tended(crew, lambda: len(stage.peers) == 3 and all(one.open for one in crew._all))
        assert stage.peers[2].models == [[1, 1, 1]]
        assert {one.version for one in crew.processes} == {1}


def test_one_that_is_started_anew_has_all_that_the_others_have_before_it_takes_connections(
    stage: Stage,
) -> None:
    with stage.up(2) as crew:
        bring(crew, 1)
        bring(crew, 2, "star")
        crew.put_beside(model(20), "theta", 2)
        crew.show(told(page_state(5)))
        telling = told(page_state(6))
        crew.show(telling)
        stage.peers[0].report(5, behind=9)
        tended(crew, lambda: len(stage.reports) == 1)
        stage.peers[0].kill()
        tended(crew, lambda: len(stage.peers) == 3 and all(one.open for one in crew._all))
        new = stage.peers[2]
        wait(lambda: new.last() == "Open")
        assert new.names() == ["Begin", "Prepare", "Switch", "Prepare", "Beside", "Show", "Open"]
        assert new.told[2] == Switch(standing=standing(2, "star"))
        assert new.told[4] == Beside(kind="theta", version=2)
        assert new.told[5] == Show(telling=telling)
        assert new.models == [[2] * 3, [20] * 3]
        assert (crew.processes[0].pid, crew.processes[0].version) == (new.pid, 2)
        assert (crew.processes[0].requests, crew.histories_behind) == (0, 0)


def test_one_that_comes_up_while_others_answer_is_not_asked_before_and_has_the_model_then(
    stage: Stage,
) -> None:
    up = threading.Event()
    with stage.crew(2, Script(), Script(up=up)) as crew:
        tended(crew, lambda: crew._all[0].open)
        bring(crew, 1)
        assert [one.version for one in crew.processes] == [1, None]
        up.set()
        tended(crew, lambda: crew._all[1].open)
        assert [one.version for one in crew.processes] == [1, 1]
        wait(lambda: stage.peers[1].names() == ["Begin", "Prepare", "Switch", "Open"])


def test_a_model_that_no_process_has_tried_yet_does_not_stand_where_all_of_them_refuse_it(
    stage: Stage,
) -> None:
    up = threading.Event()
    with stage.crew(2, *(Script(up=up, refuses={1}) for _ in range(2))) as crew:
        bringing = Elsewhere(lambda: bring(crew, 1))  # as a restart does: the topics are read before torch is
        threading.Event().wait(0.02)
        up.set()
        with suppress(CorruptArtefact):
            bringing.over()
        tended(crew, lambda: all(one.open for one in crew._all))
        assert {one.version for one in crew.processes} == {None}
        assert crew.standing is None


def test_the_one_beside_is_taken_up_by_all_or_by_none(stage: Stage) -> None:
    with stage.up(2, Script(refuses={3})) as crew:
        bring(crew, 2, "star")
        beside = put_beside(crew, 2)
        for peer in stage.peers:
            wait(lambda peer=peer: peer.told[-1] == Beside(kind="theta", version=2))  # type: ignore[misc]
        bad = model(3)
        with pytest.raises(CorruptArtefact, match="3 is odd"):
            crew.put_beside(bad, "theta", 3)
        wait(lambda: stage.peers[1].last() == "Forget")
        assert closed(weakref.ref(bad))
        assert not closed(beside)
        put_beside(crew, 4)
        tended(crew, lambda: closed(beside))
        assert crew.standing == standing(2, "star")


def test_processes_that_end_as_soon_as_they_are_started_end_serving(stage: Stage) -> None:
    with stage.crew(1, *[Script(dies_at="Begin")] * 10) as crew:
        with pytest.raises(AsmgError, match=f"ended {of_crew.TRIES} times before it answered"):
            tended(crew, lambda: False)
        assert len(stage.peers) == of_crew.TRIES


def test_only_ends_one_after_the_other_are_counted(stage: Stage) -> None:
    dies = [Script(dies_at="Begin")] * (of_crew.TRIES - 1)
    with stage.crew(1, *dies, Script(), *dies) as crew:
        tended(crew, lambda: crew._all[0].open)
        assert len(stage.peers) == of_crew.TRIES
        stage.peers[-1].kill()
        tended(crew, lambda: crew._all[0].open and len(stage.peers) > of_crew.TRIES)
        assert len(stage.peers) == 2 * of_crew.TRIES


def test_a_process_that_has_ended_before_it_was_told_anything_is_one_that_ended(stage: Stage) -> None:
    with (
        pytest.raises(AsmgError, match="before it answered"),
        stage.crew(1, *[Script(dies_at="start")] * 10) as crew,
    ):
        tended(crew, lambda: False)


def test_one_that_never_comes_up_is_replaced(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    with stage.crew(1, Script(up=threading.Event())) as crew:
        monkeypatch.setattr(of_crew, "LOADING", 0.02)
        tended(crew, lambda: len(stage.peers) == 2)
        monkeypatch.setattr(of_crew, "LOADING", DEADLINE)
        assert stage.peers[0]._killed.is_set()
        tended(crew, lambda: crew._all[0].open)


def told(state: State) -> Telling:
    return Teller().tell(state)


def test_while_no_period_closes_and_no_second_ends_only_what_changes_is_told(stage: Stage) -> None:
    teller, whole = Teller(), page_state(6)
    later = replace(whole, busy_seconds=99.0)
    closed_one = replace(later, periods=[*whole.periods[:-1], replace(whole.periods[-1], samples=7)])
    second = replace(closed_one, moments=[*whole.moments, Moment(at=whole.moments[-1].at + 1_000)])
    told = [teller.tell(state) for state in (whole, later, closed_one, second)]
    with stage.up(2) as crew:
        for telling in told:
            crew.show(telling)
        for peer in stage.peers:
            wait(lambda peer=peer: len(peer.told) == 6)  # type: ignore[misc]
            assert peer.told[2:] == [
                Show(telling=told[0]),
                Beat(health=later.health, pulse=told[1].pulse),
                Show(telling=told[2]),
                Show(telling=told[3]),
            ]


def test_what_is_shown_goes_only_to_those_that_take_connections(stage: Stage) -> None:
    up = threading.Event()
    with stage.crew(2, Script(), Script(up=up)) as crew:
        tended(crew, lambda: crew._all[0].open)
        teller, state = Teller(), page_state(3)
        crew.show(teller.tell(state))
        later = teller.tell(replace(state, busy_seconds=1.0))
        crew.show(later)
        wait(lambda: stage.peers[0].names() == ["Begin", "Open", "Show", "Beat"])
        assert stage.peers[1].names() == ["Begin"]
        up.set()
        tended(crew, lambda: crew._all[1].open)
        wait(lambda: stage.peers[1].names() == ["Begin", "Show", "Open"])
        assert stage.peers[1].told[1] == Show(telling=later)


def test_showing_something_to_one_that_has_died_is_no_failure(stage: Stage) -> None:
    with stage.up(2) as crew:
        stage.peers[0].kill()
        crew.show(told(NOTHING))
        wait(lambda: stage.peers[1].last() == "Show")


def test_one_that_takes_no_messages_any_more_does_not_stop_the_keeper(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_crew, "GRACE", 0.05)
    monkeypatch.setattr(of_crew, "PATIENCE", 0.2)
    with stage.up(2, Script(reads=False)) as crew:
        teller, state = Teller(), page_state(300)
        tellings = [teller.tell(replace(state, moments=[Moment(at=one)])) for one in range(40)]
        showing = Elsewhere(lambda: [crew.show(one) for one in tellings])
        try:
            wait(lambda: not showing.goes_on)
        finally:
            stage.peers[0].kill()
            showing.over()


def test_reports_are_handed_on_and_counted_by_process(stage: Stage) -> None:
    with stage.up(2) as crew:
        sent = [stage.peers[0].report(5, behind=9), stage.peers[0].report(2, behind=4)]
        tended(crew, lambda: len(stage.reports) == 2)
        assert [one.requests for one in crew.processes] == [7, 0]
        assert crew.histories_behind == 4
        sent.append(stage.peers[1].report(1, behind=6, unreadable=3))
        tended(crew, lambda: len(stage.reports) == 3)
        assert crew.histories_behind == 6
        assert stage.reports == sent
        assert crew.unreadable == 3


def test_a_report_that_comes_while_a_model_is_prepared_is_none_the_less_taken(stage: Stage) -> None:
    slow = threading.Event()
    with stage.up(1, Script(takes_up=slow)) as crew:
        bringing = Elsewhere(lambda: bring(crew, 1))
        wait(lambda: stage.peers[0].last() == "Prepare")
        stage.peers[0].report(3)
        wait(lambda: len(stage.reports) == 1)
        slow.set()
        bringing.over()
        assert crew.processes[0].requests == 3


def test_at_the_end_all_are_told_to_end_and_are_waited_for(stage: Stage) -> None:
    with stage.up(3) as crew:
        bundle = bring(crew, 1)
        beside = put_beside(crew, 1, "star")
    for peer in stage.peers:
        assert peer.last() == "Drain"
        assert peer.returncode is not None
    assert closed(bundle)
    assert closed(beside)


def test_one_that_does_not_end_in_time_is_ended(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_crew, "GRACE", 0.05)
    with stage.up(2, Script(stays=True)):
        pass
    assert [peer.last() for peer in stage.peers] == ["Drain", "Drain"]
    assert stage.peers[0]._killed.is_set()


def test_a_failure_of_the_keeper_ends_all_of_them_too(stage: Stage) -> None:
    with pytest.raises(ValueError, match="ours"), stage.up(2):
        raise ValueError("ours")
    assert [peer.last() for peer in stage.peers] == ["Drain", "Drain"]


def descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_no_descriptor_is_left_behind(stage: Stage) -> None:
    with stage.up(1) as crew:
        bring(crew, 1)
        tended(crew, lambda: not crew._all[0].leaving)
        gc.collect()
        before = descriptors()
        for version in range(2, 6):
            bring(crew, version)
        tended(crew, lambda: not crew._all[0].leaving)
        gc.collect()
        assert descriptors() <= before
