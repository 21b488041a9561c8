"""HTTP: rankings, health, version, the state and its changes, and the page."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from importlib.metadata import version
from importlib.resources import files
from urllib.parse import urlsplit

import msgspec
from fastapi import FastAPI, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving import metrics
from serving.request import BadRequest, body_schema, read_ranking
from serving.service import Service
from serving.state import Pulse, State

#: Seconds between two looks at whether the state has changed.
LOOK = 0.25
#: Seconds a caller is told to wait where there is no model yet.
RETRY_AFTER = 2
#: Names that this machine has for itself.
_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})

#: Files of the page, by the path they are found at.
_PAGE = {
    "/": ("index.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/chart.js": ("chart.js", "text/javascript"),
    "/timeline.js": ("timeline.js", "text/javascript"),
    "/draw.js": ("draw.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}

_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}

_log = logging.getLogger(__name__)


def create_app(service: Service) -> FastAPI:
    """The application over a service."""
    app = FastAPI(
        title="asmg-stream",
        version=version("asmg-stream"),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(Guard)
    app.add_exception_handler(BadRequest, _bad_request)
    app.add_exception_handler(HTTPException, _not_here)
    app.add_exception_handler(Exception, _failed)

    @app.post("/rank", openapi_extra=_rank_body())
    async def rank(request: Request) -> Response:
        """The best k of the candidates for a user, best first."""
        status, began = 500, time.perf_counter()
        try:
            body = await read_body(request, service.settings.max_body)
            began = time.perf_counter()
            answer = service.rank(read_ranking(body, service.settings.max_candidates))
            response, status = _json(answer), 200
            service.latencies.add(spent := time.perf_counter() - began)
            metrics.LATENCY.observe(spent)
        except BadRequest as error:
            status = error.status
            raise
        finally:
            metrics.REQUESTS.labels(str(status)).inc()
        return response

    @app.get("/healthz")
    async def healthz() -> Response:
        """200 where a model answers, 503 where none does yet."""
        return _json(service.state.health, 200 if service.served else 503)

    @app.get("/version")
    async def served_version() -> Response:
        """The model that answers, and this program's version."""
        served = service.served
        model = msgspec.to_builtins(served.standing) if served else None
        return _json({"serving": model, "program": version("asmg-stream")})

    @app.get("/state")
    async def state() -> Response:
        """All that the page shows."""
        return _json(service.state)

    @app.get("/events")
    async def events() -> EventSourceResponse:
        """The state once (`state`), then its changes: `pulse` has no periods, `state` has all of it."""
        return EventSourceResponse(changes(service), ping=15, sep="\n")

    for path, (name, kind) in _PAGE.items():
        _add_file(app, path, files("serving").joinpath("page", name).read_bytes(), kind)
    return app


async def changes(service: Service) -> AsyncIterator[ServerSentEvent]:
    """Events as long as the service is not closing, at most one per `LOOK`."""
    last: State | None = None
    pulse: Pulse | None = None
    while not service.closing:
        state = service.state
        if last is None or state.periods is not last.periods:
            yield ServerSentEvent(msgspec.json.encode(state).decode(), event="state")
            pulse = state.pulse()
        elif state is not last and (now := state.pulse()) != pulse:
            yield ServerSentEvent(msgspec.json.encode(now).decode(), event="pulse")
            pulse = now
        last = state
        await asyncio.sleep(LOOK)


async def read_body(request: Request, limit: int) -> bytes:
    """The body. Raises: BadRequest: it has more than `limit` bytes; no more of them are read."""
    line = f"the body has more than the {limit:,} bytes that are allowed (setting serving.max_body)"
    told = request.headers.get("content-length", "")
    if told.isdigit() and int(told) > limit:
        raise BadRequest(413, line)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise BadRequest(413, line)
    return bytes(body)


class Guard:
    """Answers nobody but this machine's own callers, and says in headers what the page may do.

    A name that is not this machine's (a page elsewhere whose name was pointed here) and a request that a page
    from elsewhere sends are refused: the API asks for no token.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        if refusal := _refusal(Headers(scope=scope)):
            await _error(403, refusal)(scope, receive, with_headers)
        else:
            await self._app(scope, receive, with_headers)


def _refusal(headers: Headers) -> str | None:
    host, origin = headers.get("host", ""), headers.get("origin")
    if _name(f"//{host}") not in _LOCAL:
        return "this API answers 127.0.0.1 and localhost only"
    if origin is not None and urlsplit(origin).netloc != host:
        return "requests from pages of another origin are refused"
    return None


def _name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _rank_body() -> dict[str, object]:
    schema = body_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _add_file(app: FastAPI, path: str, content: bytes, kind: str) -> None:
    async def file() -> Response:
        return Response(content, media_type=kind, headers={"cache-control": "no-cache"})

    app.add_api_route(path, file, include_in_schema=False)


def _json(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def _error(status: int, line: str) -> Response:
    response = _json({"error": " ".join(line.split())}, status)
    if status == 503:
        response.headers["retry-after"] = str(RETRY_AFTER)
    return response


async def _bad_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, BadRequest)
    return _error(error.status, str(error))


async def _not_here(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, f"{request.method} {request.url.path}: {error.detail}")


async def _failed(request: Request, _error_raised: Exception) -> Response:
    return _error(500, f"{request.method} {request.url.path} failed; the log of serving says why")
