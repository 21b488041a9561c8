"""A demo's folder: whose it is, what it was told, and what of it may be wiped."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec
import psutil

from asmg.broker import end_ownerless
from stream import kafka
from stream.broker.embedded import EmbeddedKafka
from stream.errors import ConfigurationError

#: Makes a folder a demo's, and remembers what the demo was told. Without it nothing is wiped.
MARKER = "demo.json"

#: Held by a demo and by each of its workers.
LOCK = "demo.lock"

#: What a demo keeps in its folder, and a fresh one takes away.
KEPT = ("kafka", "store", "logs")

#: Seconds that the workers of a demo that was killed may take to end.
ENDING = 30.0


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What shapes a demo's results and where they lie: enough to go on with it."""

    data: str | None = None
    dataset: str | None = None
    periods: int | None = None
    since: str | None = None
    until: str | None = None
    events: int | None = None
    prefix: str | None = None  # of its topics, where it uses a Kafka of the user's
    sets: tuple[str, ...] = ()  # SECTION.NAME=VALUE


@contextmanager
def claimed(home: Path) -> Iterator[int]:
    """Holds the folder for one demo; yields the lock's descriptor, which workers inherit.

    Waits for workers that a killed demo left behind. Raises: ConfigurationError: the folder is somebody
    else's, or another demo runs in it.
    """
    _require_demo_home(home)
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = (home / LOCK).open("a")
    except OSError as error:
        raise ConfigurationError(f"{home} cannot be written: {error.strerror}") from error
    with lock:
        deadline = time.monotonic() + ENDING
        while not _locked(lock):
            if time.monotonic() > deadline or _owner_lives(home):
                raise ConfigurationError(f"another demo runs in {home}; stop it or name another --home")
            time.sleep(kafka.GLANCE)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield lock.fileno()


def begin(home: Path, told: Told) -> None:
    """Take away what an earlier demo left in the folder, and mark it.

    Raises: ConfigurationError: the folder is no demo's, or a command other than a demo uses its Kafka.
    """
    _require_demo_home(home)
    node = home / "kafka"
    if EmbeddedKafka(node).running:
        raise ConfigurationError(f"another command uses the Kafka in {node}; stop it first")
    end_ownerless(node)
    for name in KEPT:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(home / name)
    remember(home, told)


def remember(home: Path, told: Told) -> None:
    """Write down what the demo was told."""
    _write(home / MARKER, msgspec.json.encode(told).decode())


def recall(home: Path) -> Told | None:
    """What the demo of this folder was told; None where there never was one. Raises: ConfigurationError."""
    try:
        return msgspec.json.decode((home / MARKER).read_bytes(), type=Told)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigurationError(f"{home / MARKER} cannot be read: {error}") from error


def _require_demo_home(home: Path) -> None:
    """Raises: ConfigurationError: the folder holds something, and no demo put it there."""
    if home.exists() and not home.is_dir():
        raise ConfigurationError(f"{home} is no folder; name another --home")
    if home.is_dir() and not (home / MARKER).exists() and {child.name for child in home.iterdir()} - {LOCK}:
        raise ConfigurationError(
            f"{home} holds something that no demo put there (it has no {MARKER}); name another --home"
        )


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _owner_lives(home: Path) -> bool:
    """Whether the demo that took the lock lives, and not only workers that it left behind."""
    try:
        owner = psutil.Process(int((home / LOCK).read_text()))
        return bool(owner.status() != psutil.STATUS_ZOMBIE)
    except (OSError, ValueError, psutil.NoSuchProcess):
        return False


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(f"{path.name}.writing")
    fresh.write_text(text)
    fresh.rename(path)
