"""Workers as children: started again when they die, given up on when they die too often, never orphaned."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from asmg.errors import WorkerFailed
from asmg.supervise import RESTARTS, Supervisor, Worker, last_line

#: A worker that says so when it is ready, and ends well on SIGTERM.
WAITS = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("ready", flush=True)
signal.pause()
"""


def python(name: str, code: str, *, ends: bool = False) -> Worker:
    return Worker(name, [sys.executable, "-c", code], ends=ends)


def until(true: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def restarted() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, restarted: list[tuple[str, str]]) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path, on_restart=lambda *what: restarted.append(what))
    yield made
    made.stop()


def ready(supervisor: Supervisor, name: str, times: int = 1) -> Callable[[], bool]:
    return lambda: supervisor.log(name).read_text().count("ready") >= times


def test_a_worker_that_was_killed_is_started_again(
    supervisor: Supervisor, restarted: list[tuple[str, str]]
) -> None:
    supervisor.start([python("one", WAITS)])
    until(ready(supervisor, "one"))
    first = supervisor.pids["one"]
    os.kill(first, signal.SIGKILL)
    until(lambda: not psutil.pid_exists(first) or psutil.Process(first).status() == psutil.STATUS_ZOMBIE)
    supervisor.look()
    until(ready(supervisor, "one", times=2))
    assert supervisor.pids["one"] != first
    assert restarted == [("one", "SIGKILL")]
    assert supervisor.restarts == {"one": 1}


def test_a_worker_that_dies_again_and_again_ends_the_run_with_its_last_words(
    supervisor: Supervisor, restarted: list[tuple[str, str]]
) -> None:
    supervisor.start([python("bad", "import sys; sys.exit('asmg: it is all wrong')")])

    def look_on() -> None:
        while True:
            supervisor.look()
            time.sleep(0.01)

    named = r"^bad died 5 times in a row, last by exit status 1: asmg: it is all wrong \(see .*bad\.log\)$"
    with pytest.raises(WorkerFailed, match=named):
        look_on()
    assert restarted == [("bad", "exit status 1: asmg: it is all wrong")] * RESTARTS


def test_a_worker_that_ends_its_work_is_left_alone_and_one_that_never_ends_is_not(
    supervisor: Supervisor, restarted: list[tuple[str, str]]
) -> None:
    supervisor.start([python("done", "", ends=True), python("early", "print('ready')")])
    until(lambda: supervisor.look() or (supervisor.finished("done") and restarted))
    assert {name for name, _ in restarted} == {"early"}
    assert "done" not in supervisor.pids


def test_stopping_asks_first_and_waits(supervisor: Supervisor, tmp_path: Path) -> None:
    said = python("polite", WAITS.replace("sys.exit(0)", "(print('bye', flush=True), sys.exit(0))"))
    supervisor.start([said])
    until(ready(supervisor, "polite"))
    supervisor.stop()
    assert last_line(tmp_path / "polite.log") == "bye"
    assert supervisor.pids == {}


def test_whoever_does_not_stop_is_killed(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asmg.supervise.STOPPING", 0.2)
    supervisor.start([python("deaf", WAITS.replace("lambda *_: sys.exit(0)", "signal.SIG_IGN"))])
    until(ready(supervisor, "deaf"))
    pid = supervisor.pids["deaf"]
    supervisor.stop()
    assert not psutil.pid_exists(pid)


def test_a_worker_ends_when_its_supervisor_is_killed(tmp_path: Path) -> None:
    worker = (
        "from asmg.workers import stop_event\nstop = stop_event('')\nprint('ready', flush=True)\nstop.wait()"
    )
    supervise = f"""
import sys, time
from pathlib import Path
from asmg.supervise import Supervisor, Worker
supervisor = Supervisor(Path({str(tmp_path)!r}))
supervisor.start([Worker("it", [sys.executable, "-c", {worker!r}])])
print(supervisor.pids["it"], flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", supervise], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        until(lambda: (tmp_path / "it.log").exists() and "ready" in (tmp_path / "it.log").read_text())
        parent.kill()
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_the_last_line_of_a_log_is_the_last_that_says_something(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_line(log) == "it said nothing"
    log.write_text("first\nlast\n\n")
    assert last_line(log) == "last"
