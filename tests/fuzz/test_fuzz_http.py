"""Whatever bytes come over a connection: an answer in HTTP or its end, and the next caller is answered."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from fuzzing import fuzzed, spoiled
from hypothesis import strategies as st
from live import answering, service_of

from serving.settings import ServingSettings

_BODY = b'{"user_id":"u1","candidates":["i1","i2"],"k":2}'


def _request(line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([line, b"Host: localhost", *headers, b"", body])


_VALID = [
    _request(b"GET /healthz HTTP/1.1"),
    _request(b"POST /rank HTTP/1.1", b"Content-Length: %d" % len(_BODY), body=_BODY),
    _request(
        b"POST /rank HTTP/1.1",
        b"Transfer-Encoding: chunked",
        body=b"%x\r\n%s\r\n0\r\nA: b\r\n\r\n" % (len(_BODY), _BODY),
    ),
    _request(b"GET /events HTTP/1.1", b"Connection: Upgrade", b"Upgrade: websocket"),
    _request(b"GET /v2/models/%2e%2e%00/x HTTP/1.1", b"Origin: http://[", b"Expect: 100-continue"),
    _request(b"POST /score HTTP/1.0", b"Authorization: Basic ====", b"Content-Length: 2", body=b"{}"),
]

_where: list[tuple[str, int]] = []


@pytest.fixture(autouse=True, scope="module")
def _serving() -> Iterator[None]:
    with answering(service_of(ServingSettings(port=0, max_receive=1))) as where:
        _where.append(where)
        yield


def said(*pieces: bytes) -> bytes:
    """What comes first on a connection that these are sent over."""
    with socket.create_connection(_where[-1], timeout=5) as caller:
        try:
            for one in pieces:
                caller.sendall(one)
            caller.shutdown(socket.SHUT_WR)
            return caller.recv(1 << 16)
        except TimeoutError:
            raise
        except OSError:  # hung up on
            return b""


@fuzzed(st.lists(spoiled(*_VALID), min_size=1, max_size=3), examples=60)
def test_any_bytes_are_answered_or_hung_up_on(pieces: list[bytes]) -> None:
    answer = said(*pieces)
    assert not answer or answer.startswith(b"HTTP/1.1 ")
    assert b"HTTP/1.1 500" not in answer
    assert said(_VALID[0]).startswith(b"HTTP/1.1 200 OK")
