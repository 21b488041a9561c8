"""Serving is asked where it may be, is believed where it is this loop's, and its silence has a reason."""

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError, URLError

import pytest
from status_telling import telling

from asmg.caller import ANYBODY, Caller
from asmg.config import Settings
from asmg.hearing import Hearing, addresses
from asmg.home import Told, remember
from serving.board import Swap, rows
from serving.settings import ServingSettings
from trainer.announced import Announced

HERE = "http://127.0.0.1:8080"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    """What is found wherever serving is asked: text, or what is raised; or, in a dict, by address."""

    def say(what: object) -> None:
        def fetched(_caller: Caller, address: str) -> str:
            found = what.get(address.removesuffix("/state")) if isinstance(what, dict) else what
            if isinstance(found, Exception):
                raise found
            if found is None:
                raise ConnectionRefusedError(111, "Connection refused")
            return str(found)

        monkeypatch.setattr(Caller, "fetch", fetched)

    return say


@pytest.fixture
def told(announced: Announced, swaps: dict[int, Swap]) -> str:
    return json.dumps(telling(rows(announced, swaps)))


@pytest.fixture
def closed_at(announced: Announced) -> dict[int, int]:
    return {one.period: one.closed_at for one in announced.manifests}


def test_what_it_tells_is_heard_and_remembered(
    settings: Settings, answer: Callable[[object], None], told: str, closed_at: dict[int, int]
) -> None:
    hearing = Hearing(settings)
    answer(told)
    heard = hearing.ask(closed_at)
    assert (heard.address, heard.silence) == (HERE, None)
    assert heard.state is not None
    assert heard.state.processes[1].kind == "theta"
    answer(None)
    heard = hearing.ask(closed_at)
    assert heard.state is None
    assert heard.silence == f"Serving does not answer: connection refused at {HERE}"
    assert heard.before is not None
    assert heard.before.requests.total == 51_204
    assert heard.before_at > 0
    assert hearing.ask(closed_at).before == heard.before


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (URLError(ConnectionRefusedError(111, "Connection refused")), "connection refused"),
        (TimeoutError("timed out"), "timed out"),
        (HTTPError(HERE, 404, "Not Found", None, None), "status 404"),  # type: ignore[arg-type]
        ("<html>", "something else answers"),
        ('{"serving": 1}', "something else answers"),
    ],
)
def test_silence_has_a_reason(
    settings: Settings, answer: Callable[[object], None], found: object, why: str
) -> None:
    answer(found)
    assert Hearing(settings).ask({}).silence == f"Serving does not answer: {why} at {HERE}"


def test_what_speaks_no_http_is_silence_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"-ERR unknown command\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ConnectionError, match="no HTTP is spoken"):
            ANYBODY.fetch(f"http://127.0.0.1:{server.getsockname()[1]}/state")
        thread.join()


def test_another_loop_that_is_served_there_is_not_this_one(
    settings: Settings, answer: Callable[[object], None], told: str, closed_at: dict[int, int]
) -> None:
    answer(told)
    for other in ({1: 10_001}, {}):
        heard = Hearing(settings).ask(other)
        assert heard.silence == f"Serving does not answer: another loop is served at {HERE}"


def test_before_a_period_has_closed_who_answers_is_believed(
    settings: Settings, answer: Callable[[object], None], closed_at: dict[int, int]
) -> None:
    answer(json.dumps(telling([])))
    assert Hearing(settings).ask(closed_at).silence is None


def test_a_demo_is_asked_at_the_port_that_it_took_and_then_as_configured(
    settings: Settings, answer: Callable[[object], None], told: str, closed_at: dict[int, int]
) -> None:
    log = settings.home / "logs" / "serve.log"
    log.parent.mkdir()
    log.write_text(
        "x INFO serve: serving on http://127.0.0.1:1\nx INFO serve: serving on http://::1:2\nx y\n"
    )
    assert list(addresses(settings)) == [HERE]  # nobody's log
    remember(settings.home, Told())
    assert list(addresses(settings)) == ["http://[::1]:2", HERE]
    log.write_text('{"message":"serving on http://127.0.0.1:3","period":4}\n')
    assert list(addresses(settings)) == ["http://127.0.0.1:3", HERE]
    log.write_text("x INFO serve: serving on https://127.0.0.1:4\n")
    assert list(addresses(settings)) == ["https://127.0.0.1:4", HERE]
    log.write_text("x INFO serve: serving on http://::1:2\n")
    hearing = Hearing(settings)
    answer({HERE: told})
    assert hearing.ask(closed_at).address == HERE
    answer({"http://[::1]:2": told})
    assert hearing.ask(closed_at).address == "http://[::1]:2"
    answer({})
    assert hearing.ask(closed_at).address == "http://[::1]:2"  # where it was heard last is named


def test_a_port_that_serving_chose_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "port"
    settings = Settings(home=tmp_path, serving=ServingSettings(port=0, port_file=file))
    heard = Hearing(settings).ask({})
    assert heard.silence == (
        "Serving does not answer: serving.port is 0, and no serving.port_file tells which it took"
    )
    file.write_text("4321\n")
    assert list(addresses(settings)) == ["http://127.0.0.1:4321"]
