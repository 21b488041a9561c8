"""What the keeper and a process that answers tell each other, over a pair of sockets.

A message is four bytes of length and its msgpack; a bundle's descriptor travels with the first of the four.
"""

from __future__ import annotations

import os
import select
import socket
import struct
from typing import Any

import msgspec

from serving.bundle import Span
from serving.health import Health, Standing
from serving.settings import ServingSettings, told_plainly
from serving.telling import Telling
from stream.records import Kind
from stream.settings import StreamSettings
from stream.topics import Topics
from trainer.settings import TrainerSettings

#: Seconds that requests in flight are given when serving ends.
GRACE = 5
#: Bytes of a message at most: a state of many periods has a few hundred thousand.
_LIMIT = 64 * 1024 * 1024
_LENGTH = struct.Struct("!I")


class Begin(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The first: what to answer with. Settings are those models' own JSON, secrets among them."""

    kafka: dict[str, Any]
    prefix: str
    seed: int
    stream: dict[str, Any]
    trainer: dict[str, Any]
    serving: dict[str, Any]


class Prepare(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Map and warm the model of the bundle that comes along; requests go on with what they have."""

    kind: Kind
    version: int
    spans: list[Span]


class Switch(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """From the next request on, answer with the prepared model, and have none beside it."""

    standing: Standing


class Beside(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Keep the prepared model for comparisons: the other kind of the version that answers."""

    kind: Kind
    version: int


class Forget(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Let the prepared model go, if there is one."""


class Show(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The state that page and API tell."""

    telling: Telling


class Beat(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The state, less what has not changed: what changes while no period closes and no second ends."""

    health: Health
    pulse: bytes


class Open(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Take connections."""


class Drain(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Take no more connections, answer what has begun, write what was logged, end."""


class Up(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """All is loaded that takes time; models can be prepared."""


class Ready(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The model is prepared."""


class Left(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """What the Switch or Beside next in turn has replaced, if anything, is mapped no more."""


class Refused(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The model cannot be used."""

    why: str


class Report(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """What has happened since the last report."""

    statuses: dict[int, int]  # requests answered, by HTTP status
    seconds: list[float]  # that each computed answer took, waiting included
    unknown_users: int
    unknown_items: int
    impressions: int
    impressions_lost: int
    histories: int  # users whose history is held, now
    histories_behind: int  # records of `histories` not taken yet, now
    unreadable: int  # records of `histories` nobody can read, so far
    explains: bool = False  # somebody waits for a model beside the one that serves, now


Told = Begin | Prepare | Switch | Beside | Forget | Show | Beat | Open | Drain
Said = Up | Ready | Refused | Left | Report

_encoder = msgspec.msgpack.Encoder()
_told: msgspec.msgpack.Decoder[Told] = msgspec.msgpack.Decoder(Told)
_said: msgspec.msgpack.Decoder[Said] = msgspec.msgpack.Decoder(Said)


class Closed(Exception):
    """The other end is gone."""


class Channel:
    """One end. Raises: Closed, from everything: the other end is gone."""

    def __init__(self, end: socket.socket, patience: float | None = None) -> None:
        """patience: seconds for one message, after which the other end counts as gone; None: for ever."""
        self._end = end
        end.settimeout(patience)

    def fileno(self) -> int:
        """For selectors."""
        return self._end.fileno()

    def close(self) -> None:
        """The other end notices."""
        self._end.close()

    def send(self, message: Told | Said, fd: int | None = None) -> None:
        """Send one message, with a descriptor where one belongs to it."""
        content = _encoder.encode(message)
        length = _LENGTH.pack(len(content))
        try:
            if fd is None:
                self._end.sendall(length + content)
            else:
                socket.send_fds(self._end, [length], [fd])
                self._end.sendall(content)
        except OSError as error:
            raise Closed from error

    def waits(self, seconds: float) -> bool:
        """Whether a message, or the other end's end, is there within so many seconds."""
        return bool(select.select([self._end], [], [], seconds)[0])

    def told(self) -> tuple[Told, int | None]:
        """The next message of the keeper, and the descriptor that came with it, now the caller's."""
        content, fd = self._next()
        return _told.decode(content), fd

    def said(self) -> Said:
        """The next message of a process that answers."""
        content, fd = self._next()
        if fd is not None:
            os.close(fd)
        return _said.decode(content)

    def _next(self) -> tuple[bytes, int | None]:
        try:
            head, fds, _, _ = socket.recv_fds(self._end, _LENGTH.size, 1)
            fd = fds[0] if fds else None
            head += self._exactly(_LENGTH.size - len(head)) if head else b""
            if not head:
                raise Closed
            (length,) = _LENGTH.unpack(head)
            if length > _LIMIT:
                raise Closed
            return self._exactly(length), fd
        except OSError as error:
            raise Closed from error

    def _exactly(self, count: int) -> bytes:
        content = bytearray(count)
        view, filled = memoryview(content), 0
        while filled < count:
            got = self._end.recv_into(view[filled:])
            if not got:
                raise Closed
            filled += got
        return bytes(content)


def begin(
    kafka: dict[str, Any],
    topics: Topics,
    seed: int,
    stream: StreamSettings,
    trainer: TrainerSettings,
    serving: ServingSettings,
) -> Begin:
    """What a process that answers is told first."""
    return Begin(
        kafka=kafka,
        prefix=topics.prefix,
        seed=seed,
        stream=stream.model_dump(mode="json"),
        trainer=trainer.model_dump(mode="json"),
        serving=told_plainly(serving),
    )
