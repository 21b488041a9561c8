"""One connection as uvicorn has it, with limits: of a request's head, of time, of how many there are.

| a caller                                     | then                                                        |
|----------------------------------------------|-------------------------------------------------------------|
| sends a head larger than `serving.max_head`  | 431                                                         |
| takes longer than `serving.max_receive` for  | 408, whether head or body; where nothing came at all, the   |
| a request                                    | connection just ends                                        |
| takes nothing of an answer for as long       | the connection ends                                         |
| is one more than `serving.max_connections`   | 503                                                         |
| sends what is no HTTP                        | 400                                                         |

Each is answered in one line and hung up on. Nothing of it is logged: who can send cannot fill a disk.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from serving.settings import ServingSettings

_LINES = {
    400: "this is no HTTP request",
    408: "the request did not come in time (setting serving.max_receive)",
    431: "the request's head is larger than what is allowed (setting serving.max_head)",
    503: "too many connections (setting serving.max_connections)",
}

_log = logging.getLogger(__name__)
_log.setLevel(logging.ERROR)


class _TooLarge(Exception):
    """A head is; it ends the parser."""


class Connection(HttpToolsProtocol):
    """uvicorn's own, but for the limits."""

    def __init__(
        self,
        limits: ServingSettings,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.logger = _log
        self._limits = limits
        self._coming: asyncio.TimerHandle | None = None  # runs until a request has come whole
        self._taking: asyncio.TimerHandle | None = None  # runs while the caller takes nothing
        self._begun = self._in_head = (
            False  # whether something of a request has come, and its head is awaited
        )
        self._head = self._raw = 0  # bytes of it: parsed, and as they came

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A caller is there."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.max_connections:
            self._hang_up(503)
        else:
            self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller is gone."""
        self._received()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Something has come."""
        if self.transport.is_closing():
            return
        self._expect()
        in_head = self._in_head
        super().data_received(data)
        if in_head and self._in_head:
            self._raw += len(data)
            if self._raw > self._limits.max_head and not self.transport.is_closing():
                self._hang_up(431)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._begun = self._in_head = True
        self._head = self._raw = 0
        self._expect()

    def on_url(self, url: bytes) -> None:
        """A piece of its address."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or one that follows the body."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Its head is there."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """All of it is there."""
        self._received()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """It is answered."""
        super().on_response_complete()
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self.pause_writing()  # closed once the caller has taken it all

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 uvicorn's own line
        """What has come is no HTTP."""
        self._hang_up(431 if self._head > self._limits.max_head else 400)

    def pause_writing(self) -> None:
        """The caller does not take what it is sent."""
        super().pause_writing()
        if self._taking is None:
            self._taking = self.loop.call_later(self._limits.max_receive, self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

    def timeout_keep_alive_handler(self) -> None:
        """It has nothing more to ask."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def _expect(self) -> None:
        if self._coming is None:
            self._coming = self.loop.call_later(self._limits.max_receive, self._too_slow)

    def _received(self) -> None:
        self._begun = False
        if self._coming is not None:
            self._coming.cancel()
            self._coming = None

    def _too_slow(self) -> None:
        if self._begun:
            self._hang_up(408)
        else:
            self.transport.abort()

    def _count(self, size: int) -> None:
        self._head += size
        if self._head > self._limits.max_head:
            raise _TooLarge

    def _hang_up(self, status: int) -> None:
        """End the connection, with an answer where none has begun."""
        answering = (
            self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        )
        if not answering:
            body = msgspec.json.encode({"error": _LINES[status]})
            head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[status] + head % len(body) + body)
        self._received()
        self.transport.close()
        if self.transport.get_write_buffer_size():
            self.pause_writing()
