"""HTTP: rankings, health, version, the state and its changes, and the page."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import version
from ipaddress import ip_address
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
from fastapi import FastAPI, Request, Response
from msgspec.structs import replace
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.access import Access, describe_access, refused
from serving.answers import Answers, error_of, gives, json_of, takes
from serving.health import Health, Standing
from serving.inference import add_inference_protocol
from serving.line import Pause
from serving.page_files import add_page
from serving.request import (
    BadRequest,
    RankBody,
    RecommendBody,
    ScoreBody,
    read_pairs,
    read_ranking,
    read_search,
)
from serving.service import Answer, Scored, Service
from serving.settings import ServingSettings, is_loopback
from serving.state import State
from serving.telling import Telling

#: The header that names a request, and what a caller may name it.
REQUEST_ID, _ID = "x-request-id", re.compile(r"[\x21-\x7e]{1,128}")
#: Seconds between two looks at whether the state has changed.
LOOK = 0.25
#: Names that this machine has for itself.
_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
#: Of `/docs`: Swagger UI's style has its icons within itself.
_DOCS = {"content-security-policy": _POLICY.replace("img-src 'self'", "img-src 'self' data:")}

_log = logging.getLogger(__name__)


class Versions(msgspec.Struct, frozen=True):
    """Of `GET /version`."""

    serving: Standing | None
    program: str


def create_app(service: Service) -> FastAPI:
    """The application over a service."""
    app = FastAPI(
        title="asmg-stream",
        version=version("asmg-stream"),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    access = Access(service.settings)
    app.add_middleware(Guard, access=access, settings=service.settings)
    if access.guarded:
        describe_access(app)
    app.add_exception_handler(BadRequest, _bad_request)
    app.add_exception_handler(HTTPException, _not_here)
    answers = Answers(service)
    most = service.settings.max_candidates

    @app.post("/rank", openapi_extra=takes(RankBody), responses=gives(Answer))
    async def rank(request: Request) -> Response:
        """The best k of the candidates for a user, best first."""

        def work(body: bytes) -> Iterator[Pause | Answer]:
            asked = read_ranking(body, most)
            if asked.explain:
                yield from service.other()
            yield service.rank(asked)

        return await answers.last(request, work)

    @app.post("/score", openapi_extra=takes(ScoreBody), responses=gives(Scored))
    async def score(request: Request) -> Response:
        """A score for each pair of user and item."""
        return await answers.one(request, lambda body: service.score(read_pairs(body, most)))

    @app.post("/recommend", openapi_extra=takes(RecommendBody), responses=gives(Answer))
    async def recommend(request: Request) -> Response:
        """The best k of the whole catalogue for a user, without what the user's history holds."""
        return await answers.last(request, lambda body: service.recommend(read_search(body, most)))

    @app.get("/healthz", responses=gives(Health, 503))
    async def healthz(request: Request) -> Response:
        """200 where a model answers, 503 where none does yet, or where this process is about to end."""
        told = service.telling.health
        if "admin" not in request.scope["scopes"]:
            told = replace(told, sentence="")  # it tells of models
        return json_of(told, 200 if service.ready else 503)

    @app.get("/version", responses=gives(Versions))
    async def served_version() -> Response:
        """The model that answers, and this program's version."""
        served = service.served
        return json_of(Versions(served.standing if served else None, version("asmg-stream")))

    @app.get("/state", responses=gives(State))
    async def state() -> Response:
        """All that the page shows."""
        return Response(service.telling.whole(), media_type="application/json")

    @app.get("/events")
    async def events() -> EventSourceResponse:
        """The state once (`state`), then its changes (`periods` and `pulse`, see `changes`)."""
        return EventSourceResponse(changes(service), ping=15, sep="\n")

    add_inference_protocol(app, service, answers)
    add_page(app)
    return app


async def changes(service: Service) -> AsyncIterator[ServerSentEvent]:
    """Events as long as the service is not closing, at most two per `LOOK`.

    `state` once: all of it. Then `periods`: the rows that are new or other than before, and the numbers of
    all that are listed; `pulse`: what else has changed, with the newest moment and the newest swap. Where a
    change of the periods was missed, `state` comes again.
    """
    last: Telling | None = None
    while not service.closing:
        told = service.telling
        if last is None or told.number not in (last.number, last.number + 1):
            yield _event("state", told.whole())
        elif told is not last:
            if told.number != last.number:
                yield _event("periods", told.changed)
            if told.pulse != last.pulse:
                yield _event("pulse", told.pulse)
        last = told
        await asyncio.sleep(LOOK)


def _event(name: str, content: bytes) -> ServerSentEvent:
    return ServerSentEvent(content.decode(), event=name)


class Guard:
    """Answers nobody but whom the settings allow; says in headers what the page may do, and by which id a
    request is known: the caller's own (`x-request-id`), or one that nobody else has.

    Refused are a request that a page from elsewhere sends, one to a name that is not ours (a page elsewhere
    whose name was pointed here), and one without a token where tokens are set.
    """

    def __init__(self, app: ASGIApp, access: Access, settings: ServingSettings) -> None:
        self._app, self._access = app, access
        self._names = _LOCAL | {settings.host.lower(), *map(str.lower, settings.hosts)}
        self._reached, self._any = not is_loopback(settings.host), not settings.hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        asked = Headers(scope=scope)
        told = asked.get(REQUEST_ID, "")
        scope["request_id"] = told if _ID.fullmatch(told) else uuid4().hex

        begun = False

        async def with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                more = _DOCS if scope["path"] == "/docs" else {}
                MutableHeaders(scope=message).update(_HEADERS | more | {REQUEST_ID: scope["request_id"]})
            await send(message)

        if refusal := self._refusal(asked):
            await error_of(403, refusal)(scope, receive, with_headers)
            return
        scope["scopes"] = scopes = self._access.scopes(asked.get("authorization"))
        if (response := refused(scope["path"], scopes)) is not None:
            await response(scope, receive, with_headers)
            return
        try:
            await self._app(scope, receive, with_headers)
        except Exception as error:
            named, path = scope["request_id"], scope["path"]
            _log.error("request %s to %s failed", named, path, exc_info=error)
            if begun:
                raise  # the connection ends: half an answer is none
            line = f"{scope['method']} {path} failed; the log of serving says why, of request {named}"
            await error_of(500, line)(scope, receive, with_headers)

    def _refusal(self, headers: Headers) -> str | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._is_ours(_name(f"//{host}")):
            return "this API does not answer to that name (setting serving.hosts)"
        if origin is not None and _place(origin) != host:
            return "requests from pages of another origin are refused"
        return None

    def _is_ours(self, name: str | None) -> bool:
        """Whether a caller may know us by that name. A number is no name that somebody can point here."""
        if name in self._names:
            return True
        return self._reached and name is not None and (self._any or _is_number(name))


def _name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _place(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _is_number(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


async def _bad_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, BadRequest)
    return error_of(error.status, str(error))


async def _not_here(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = error_of(error.status_code, f"{request.method} {request.url.path}: {error.detail}")
    response.headers.update(error.headers or {})
    return response
