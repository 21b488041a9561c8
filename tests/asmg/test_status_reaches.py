"""Serving that asks for a token and shows a certificate is asked by status and by the health check too."""

import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError

import pytest
import trustme
from fastapi import Response
from status_telling import telling

from asmg.caller import Caller
from asmg.config import Settings
from asmg.hearing import Hearing
from serving.access import Access, needed, refused
from serving.settings import ServingSettings

TOKEN, RANK, OTHER = "0123456789abcdef-admin", "0123456789abcdef-rank", "0123456789abcdef-none"


class Server(ThreadingHTTPServer):
    """Answers as serving does, as far as tokens go; keeps what it was asked with."""

    def __init__(self, guard: ServingSettings) -> None:
        self.access, self.asked = Access(guard), list[str | None]()
        self.elsewhere: str | None = None
        super().__init__(("127.0.0.1", 0), _Answer)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        given = self.headers.get("authorization")
        self.server.asked.append(given)
        if self.server.elsewhere is not None:
            self._say(307, b"", [("location", self.server.elsewhere)])
            return
        response: Response | None = refused(self.path, self.server.access.scopes(given))
        if response is None:
            self._say(200, json.dumps(telling([])).encode() if needed(self.path) else b"{}", [])
        else:
            self._say(response.status_code, b"", response.headers.items())

    def _say(self, status: int, body: bytes, headers: object) -> None:
        self.send_response(status)
        for name, value in headers:  # type: ignore[attr-defined]
            if name != "content-length":
                self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serving() -> Iterator[Callable[..., Server]]:
    """Starts a server with these tokens and, given certificate and key, with TLS."""
    started: list[tuple[Server, threading.Thread]] = []

    def start(files: tuple[Path, Path] | None = None, **tokens: str) -> Server:
        server = Server(ServingSettings.model_validate(tokens))
        if files is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*files)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        started.append((server, thread))
        return server

    yield start
    for server, thread in started:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def issued(tmp_path: Path) -> Callable[[str], tuple[Path, Path]]:
    """Certificate, its signer's behind it, and key, all of one signer, for a name that is not 127.0.0.1."""
    signer = trustme.CA()

    def issue(name: str) -> tuple[Path, Path]:
        one, cert, key = signer.issue_cert("shop.example"), tmp_path / f"{name}.pem", tmp_path / f"{name}.key"
        chain = [one.cert_chain_pems[0], signer.cert_pem]
        cert.write_bytes(b"our shop's\n" + b"".join(pem.bytes() for pem in chain))
        one.private_key_pem.write_to_path(key)
        return cert, key

    return issue


def heard(tmp_path: Path, server: Server, **serving: object) -> str | None:
    given = {"port": server.port, **serving}
    return Hearing(Settings(home=tmp_path, serving=ServingSettings.model_validate(given))).ask({}).silence


def test_the_admins_token_is_sent_and_what_is_told_is_heard(
    tmp_path: Path, serving: Callable[..., Server]
) -> None:
    server = serving(admin_token=TOKEN, rank_token=RANK)
    assert heard(tmp_path, server, admin_token=f"{TOKEN},{OTHER}") is None
    assert server.asked == [f"Bearer {TOKEN}"]


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (None, "it asks for a token: set ASMG_SERVING_ADMIN_TOKEN in the environment"),
        (
            OTHER,
            "it does not know the token of ASMG_SERVING_ADMIN_TOKEN: set the one that it was started with",
        ),
        (RANK, "the token of ASMG_SERVING_ADMIN_TOKEN may only rank there: set the admin's"),
    ],
)
def test_a_refusal_is_one_line_that_names_the_setting(
    tmp_path: Path, serving: Callable[..., Server], token: str | None, why: str
) -> None:
    server = serving(admin_token=TOKEN, rank_token=RANK)
    silence = heard(tmp_path, server, admin_token=token)
    assert silence == f"Serving does not answer: {why} at http://127.0.0.1:{server.port}"


def test_a_name_that_serving_does_not_answer_to_is_told_of() -> None:
    error = HTTPError("http://x", 403, "Forbidden", {}, None)  # type: ignore[arg-type]
    assert Caller().refused(error) == "it does not answer to that name: add it to its serving.hosts"


def test_over_tls_its_own_certificate_is_believed_under_whatever_name_and_no_other(
    tmp_path: Path, serving: Callable[..., Server], issued: Callable[[str], tuple[Path, Path]]
) -> None:
    cert, key = issued("ours")
    server = serving((cert, key), admin_token=TOKEN)
    ours = {"cert_file": cert, "key_file": key, "admin_token": TOKEN}
    assert heard(tmp_path, server, **ours) is None
    assert heard(tmp_path, server, host="0.0.0.0", **ours) is None
    other, its_key = issued("other")  # of the same signer, who stands in both files
    silence = heard(tmp_path, server, **ours | {"cert_file": other, "key_file": its_key})
    assert silence is not None
    assert f"its certificate is not that of serving.cert_file {other}" in silence
    assert server.asked == [f"Bearer {TOKEN}"] * 2  # and whoever shows another is told no token


def test_who_speaks_tls_unexpectedly_or_does_not_is_told_of(
    tmp_path: Path, serving: Callable[..., Server], issued: Callable[[str], tuple[Path, Path]]
) -> None:
    cert, key = issued("ours")
    plain, speaks = serving(admin_token=TOKEN), serving((cert, key), admin_token=TOKEN)
    silence = heard(tmp_path, plain, cert_file=cert, key_file=key)
    assert silence is not None
    assert "no TLS is spoken, and serving.cert_file is set" in silence
    silence = heard(tmp_path, speaks)
    assert silence is not None
    assert "set serving.cert_file" in silence or "connection reset" in silence
    with pytest.raises(ConnectionError, match=r"it shows a certificate: set serving\.cert_file to its file"):
        Caller().fetch(f"https://127.0.0.1:{speaks.port}/state")
    key.unlink()
    cert.write_text("no certificate")
    with pytest.raises(ConnectionError, match=r"serving\.cert_file .*ours\.pem: a PEM file .*holds none"):
        Caller(cert_file=cert).fetch(f"https://127.0.0.1:{speaks.port}/state")


def test_the_token_is_not_told_to_whom_an_answer_points_to(serving: Callable[..., Server]) -> None:
    server, elsewhere = serving(), serving()
    server.elsewhere = f"http://127.0.0.1:{elsewhere.port}/state"
    Caller(token=TOKEN).fetch(f"http://127.0.0.1:{server.port}/state")
    assert (server.asked, elsewhere.asked) == ([f"Bearer {TOKEN}"], [None])


def test_a_health_check_needs_no_token_and_believes_the_certificate_that_is_set(
    serving: Callable[..., Server], issued: Callable[[str], tuple[Path, Path]]
) -> None:
    cert, key = issued("ours")
    server = serving((cert, key), admin_token=TOKEN)
    url = f"https://127.0.0.1:{server.port}/v2/health/live"

    def check(given: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "deploy.healthy", url]
        return subprocess.run(
            command,
            cwd=Path(__file__).parents[2],
            env={"ASMG_SERVING_CERT_FILE": given},
            capture_output=True,
            text=True,
            timeout=60,
        )

    assert check(str(cert)).returncode == 0
    assert "CERTIFICATE_VERIFY_FAILED" in check(str(issued("other")[0])).stderr
    assert check("").returncode == 1
