"""Connections over a network: limits of size, time and number, and TLS whose certificate is renewed."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from serving_factory import Factory

from serving import answerer
from serving.certificate import Certificate
from serving.service import Service
from serving.settings import ServingSettings
from stream.records import Announcement

#: Seconds that anything may take here.
DEADLINE = 20
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"

Where = tuple[str, int]


@contextmanager
def answering(service: Service, **given: Any) -> Iterator[Where]:
    service.settings = ServingSettings.model_validate({"port": 0, "max_receive": 1, **given})
    with socket.create_server(("127.0.0.1", 0)) as listener, answerer._Api(service, listener) as api:
        api.open()
        yield listener.getsockname()


@pytest.fixture(autouse=True)
def _model(factory: Factory, serve: Callable[[Announcement], None]) -> None:
    serve(factory.next())


def call(where: Where) -> socket.socket:
    return socket.create_connection(where, timeout=DEADLINE)


def rest(caller: socket.socket) -> bytes:
    """All that comes until the other end hangs up."""
    found = b""
    while piece := caller.recv(1 << 16):
        found += piece
    return found


def healthy(where: Where) -> bool:
    return httpx.get(f"http://{where[0]}:{where[1]}/healthz").status_code == 200


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 3_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 2_000 + b"\r\n",
        b"GET / HTTP/1.1\r\na: " + b"b" * 400_000,  # never ends
        b"POST /rank HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        + b"a: b\r\n" * 2_000,
    ],
    ids=["address", "headers", "one header", "trailers"],
)
def test_a_head_that_is_too_large_is_refused(service: Service, head: bytes) -> None:
    with answering(service, max_head=2_000) as where, call(where) as caller:
        for place in range(0, len(head), 50_000):
            with suppress(OSError):  # it has been hung up on
                caller.sendall(head[place : place + 50_000])
        with suppress(ConnectionResetError):  # more had been sent than was read
            assert rest(caller).startswith(b"HTTP/1.1 431")
        assert healthy(where)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /healthz HTTP/1.1\r\nHost: loc",
        b"POST /rank HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
    ],
    ids=["head", "body"],
)
def test_a_request_that_does_not_come_in_time_is_ended_however_it_trickles(
    service: Service, sent: bytes
) -> None:
    with answering(service) as where, call(where) as caller:
        began = time.monotonic()
        caller.sendall(sent[:-2])
        for one in sent[-2:]:
            time.sleep(0.3)
            caller.sendall(bytes([one]))
        answer = rest(caller)
        assert answer.startswith(b"HTTP/1.1 408")
        assert 0.9 < time.monotonic() - began < DEADLINE / 2


@pytest.mark.parametrize("sent", [b"", HEALTH + b"\r\n"], ids=["nothing", "an empty line behind an answer"])
def test_a_connection_that_asks_nothing_is_ended(service: Service, sent: bytes) -> None:
    with answering(service) as where, call(where) as caller:
        caller.sendall(sent)
        answer = rest(caller)
        assert (answer == b"") == (sent == b"")
        assert b"408" not in answer


def test_a_caller_that_takes_no_answer_is_hung_up_on(service: Service) -> None:
    with answering(service) as where, socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        caller.settimeout(DEADLINE)
        caller.connect(where)
        caller.sendall(b"GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2_000)
        time.sleep(2.5)
        with pytest.raises(OSError):  # noqa: PT012 a reset, at the first or the second
            for _ in range(50):
                caller.sendall(HEALTH)
                time.sleep(0.1)
        assert healthy(where)


def test_a_connection_too_many_is_told_so_and_one_that_ends_makes_room(service: Service) -> None:
    with answering(service, max_connections=2, max_receive=30) as where:
        with call(where), call(where) as second:
            second.sendall(HEALTH)
            assert second.recv(1 << 16).startswith(b"HTTP/1.1 200")
            with call(where) as third:
                assert rest(third).startswith(b"HTTP/1.1 503")
        deadline = time.monotonic() + DEADLINE
        while True:
            with call(where) as again:
                again.sendall(HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                if rest(again).startswith(b"HTTP/1.1 200") or time.monotonic() > deadline:
                    break
        assert time.monotonic() < deadline


def test_what_is_no_http_is_told_in_one_line_and_not_logged(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    with answering(service) as where, call(where) as caller:
        caller.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        answer = rest(caller)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b'{"error":"this is no HTTP request"}' in answer
    assert "Invalid HTTP" not in caplog.text


def test_no_websocket_goes_past_the_guard(service: Service) -> None:
    with answering(service) as where, call(where) as caller:
        caller.sendall(
            b"GET /events HTTP/1.1\r\nHost: evil.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert caller.recv(1 << 16).startswith(b"HTTP/1.1 403")


def _issue(ca: trustme.CA, cert: Path, key: Path) -> int:
    """A certificate in these files; its serial number."""
    issued = ca.issue_cert("localhost", "127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    return int(ssl._ssl._test_decode_cert(str(cert))["serialNumber"], 16)  # type: ignore[attr-defined]


def _shown(where: Where, trust: ssl.SSLContext) -> int:
    with call(where) as caller, trust.wrap_socket(caller, server_hostname="localhost") as secure:
        assert secure.version() in ("TLSv1.2", "TLSv1.3")
        secure.sendall(HEALTH)
        assert secure.recv(1 << 16).startswith(b"HTTP/1.1 200")
        told = secure.getpeercert() or {}
        return int(str(told["serialNumber"]), 16)


def test_tls_is_spoken_and_a_renewed_certificate_shown_without_a_restart(
    service: Service, tmp_path: Path
) -> None:
    cert, key, ca = tmp_path / "cert.pem", tmp_path / "key.pem", trustme.CA()
    trust = ssl.create_default_context()
    ca.configure_trust(trust)
    first = _issue(ca, cert, key)
    service.settings = ServingSettings(port=0, cert_file=cert, key_file=key)
    with socket.create_server(("127.0.0.1", 0)) as listener, answerer._Api(service, listener) as api:
        api.open()
        where = listener.getsockname()
        assert _shown(where, trust) == first
        second = _issue(ca, cert, key)
        api.look()
        assert _shown(where, trust) == second != first
        key.write_text("half of a key")
        api.look()
        assert _shown(where, trust) == second  # what cannot be used is left
        with call(where) as plain:
            plain.sendall(HEALTH)
            assert not plain.recv(1 << 16).startswith(b"HTTP")


def test_without_files_no_tls_is_spoken() -> None:
    assert Certificate.of(ServingSettings()) is None
