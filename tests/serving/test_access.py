"""Tokens: who may ask for what, how it is told, and that nothing shows one."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from serving_factory import Factory
from test_api import exchange

from serving.access import OPEN, Access, needed
from serving.api import create_app
from serving.channel import begin
from serving.service import Service
from serving.settings import ServingSettings
from stream.records import Announcement
from stream.settings import StreamSettings
from stream.topics import Topics
from trainer.settings import TrainerSettings

RANK, OLD, ADMIN = "rank-0123456789abcdef", "rank-of-last-year-0123", "admin-0123456789abcdef"
BODY = {"user_id": "u1", "candidates": ["i1"]}
#: Where: whose name, on which address.
ELSEWHERE = "http://shop.example:8080"


def settings(**more: Any) -> ServingSettings:
    tokens = {"rank_token": f"{RANK},{OLD}", "admin_token": ADMIN}
    return ServingSettings.model_validate({"host": "0.0.0.0", **tokens, **more})


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def basic(token: str, user: str = "") -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()}


@pytest.fixture
def ask(
    service: Service, factory: Factory, serve: Callable[[Announcement], None]
) -> Callable[..., httpx.Response]:
    serve(factory.next())
    service.settings = settings()

    def send(path: str, headers: dict[str, str] | None = None, base: str = ELSEWHERE) -> httpx.Response:
        more: dict[str, Any] = {"json": BODY} if path == "/rank" else {}
        method = "POST" if path == "/rank" else "GET"
        sent = exchange(service, lambda client: client.request(method, path, headers=headers, **more), base)
        assert isinstance(sent, httpx.Response)
        return sent

    return send


@pytest.mark.parametrize(
    "path", ["/", "/rank", "/state", "/events", "/docs", "/openapi.json", "/page.js", "/nowhere"]
)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer(""),
        bearer("x" * 20),
        bearer(ADMIN[:-1]),
        bearer(f"{RANK},{OLD}"),
        bearer("é" * 20),
        basic("nobody"),
        {"authorization": "Basic ===="},
        {"authorization": "Basic \u00ff"},
        {"authorization": ADMIN},
        {"authorization": f"Digest {ADMIN}"},
    ],
)
def test_without_a_known_token_nothing_is_told_but_how_to_come(
    ask: Callable[..., httpx.Response], path: str, headers: dict[str, str]
) -> None:
    encoded: Any = {name: value.encode("latin-1") for name, value in headers.items()}
    response = ask(path, encoded)
    assert response.status_code == 401
    assert list(response.json()) == ["error"]
    challenges = response.headers.get_list("www-authenticate")
    assert [one.split()[0] for one in challenges] == ["Bearer", "Basic"]


@pytest.mark.parametrize("token", [RANK, OLD])
def test_a_rank_token_ranks_and_sees_nothing_else(ask: Callable[..., httpx.Response], token: str) -> None:
    assert ask("/rank", bearer(token)).status_code == 200
    assert ask("/version", bearer(token)).status_code == 200
    for path in ("/", "/state", "/events", "/docs", "/openapi.json", "/nowhere"):
        response = ask(path, bearer(token))
        assert (response.status_code, "scope admin" in response.json()["error"]) == (403, True)
        assert 'error="insufficient_scope", scope="admin"' in response.headers["www-authenticate"]


@pytest.mark.parametrize(
    "headers", [bearer(ADMIN), basic(ADMIN), basic(ADMIN, "me"), {"authorization": f"bEARER  {ADMIN} "}]
)
def test_an_admin_token_does_all_as_a_bearer_or_as_a_browsers_password(
    ask: Callable[..., httpx.Response], headers: dict[str, str]
) -> None:
    for path in ("/", "/rank", "/state", "/openapi.json", "/page.js", "/version"):
        assert ask(path, headers).status_code == 200, path
    assert ask("/nowhere", headers).status_code == 404


def test_health_is_told_to_everybody_and_its_sentence_to_admins(ask: Callable[..., httpx.Response]) -> None:
    for path in sorted(OPEN):
        assert ask(path).status_code == 200
    assert ask("/healthz").json()["sentence"] == ""
    assert ask("/healthz", bearer(RANK)).json()["sentence"] == ""
    assert ask("/healthz", bearer(ADMIN)).json()["sentence"]


def test_every_route_that_is_described_asks_for_what_its_description_says(service: Service) -> None:
    service.settings = settings()
    described = create_app(service).openapi()
    for path, methods in described["paths"].items():
        for route in methods.values():
            assert bool(route["security"]) == (needed(path) is not None), path
    assert set(described["components"]["securitySchemes"]) == {"bearer", "basic"}
    assert {path for path in described["paths"] if needed(path) == "admin"} == {"/state", "/events"}


def test_where_no_token_is_set_nobody_is_asked_for_one() -> None:
    access = Access(ServingSettings())
    assert not access.guarded
    assert access.scopes(None) == access.scopes("Bearer nonsense") == {"rank", "admin"}


def test_a_token_is_asked_for_on_loopback_too_where_one_is_set(
    ask: Callable[..., httpx.Response], service: Service
) -> None:
    service.settings = settings(host="127.0.0.1")
    assert ask("/state", base="http://127.0.0.1:8080").status_code == 401
    assert ask("/state", bearer(ADMIN), "http://127.0.0.1:8080").status_code == 200
    assert ask("/state", bearer(ADMIN)).status_code == 403  # another's name


@pytest.mark.parametrize(
    ("hosts", "base", "headers", "status"),
    [
        ((), ELSEWHERE, {}, 200),
        (("shop.example",), ELSEWHERE, {}, 200),
        (("shop.example",), "http://SHOP.example", {}, 200),
        (("shop.example",), "http://10.0.0.7:8080", {}, 200),  # how probes ask
        (("shop.example",), "http://[fd00::7]:8080", {}, 200),
        (("shop.example",), "http://localhost:8080", {}, 200),
        (("shop.example",), "http://evil.example:8080", {}, 403),
        ((), ELSEWHERE, {"origin": "http://evil.example"}, 403),
        ((), ELSEWHERE, {"origin": "http://["}, 403),
        ((), ELSEWHERE, {"origin": ELSEWHERE}, 200),
        ((), ELSEWHERE, {"host": ""}, 403),
    ],
)
def test_names_and_origins_on_an_address_that_others_reach(
    ask: Callable[..., httpx.Response],
    service: Service,
    hosts: tuple[str, ...],
    base: str,
    headers: dict[str, str],
    status: int,
) -> None:
    service.settings = settings(hosts=hosts)
    assert ask("/state", bearer(ADMIN) | headers, base).status_code == status


def test_no_token_is_logged_shown_or_told(
    ask: Callable[..., httpx.Response], service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    service.recommend = service.rank = lambda _asked: 1 / 0  # type: ignore[assignment,method-assign,return-value]
    told = [
        ask(path, bearer(token)).text
        for path in ("/rank", "/state", "/openapi.json", "/")
        for token in (RANK, ADMIN, "x" * 20)
    ]
    mine = service.settings
    seen = f"{told}{caplog.text}{mine!r}{mine.model_dump()}{mine.model_dump_json()}"
    assert not re.search(f"{RANK}|{OLD}|{ADMIN}", seen)


def test_a_process_that_answers_is_told_them() -> None:
    told = begin({}, Topics("p."), 0, StreamSettings(), TrainerSettings(), settings())
    assert ServingSettings.model_validate(told.serving) == settings()
