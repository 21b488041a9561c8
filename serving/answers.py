"""How a request becomes an answer: body read, a turn in line, computed, counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import msgspec
from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from serving.line import Line, Pause
from serving.request import BadRequest, schema_of
from serving.service import Service

#: Seconds a caller is told to wait where there is no model yet, or where too many wait.
RETRY_AFTER = {429: 1, 503: 2}
#: Characters of an error's line: it may quote what somebody sent.
LONGEST = 400
#: What a request whose caller hangs up is counted as (nginx's number for it); nobody reads it.
GONE = 499
#: The header that says how many ms a caller waits for an answer.
TIMEOUT = "x-timeout-ms"


_ERROR = {
    "application/json": {
        "schema": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
    }
}


class Answers:
    """Takes requests that are computed for, one at a time."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._line = Line(service.settings.max_wait / 1000)

    async def one(self, request: Request, work: Callable[[bytes], object]) -> Response:
        """What `work` makes of the body, as JSON. Raises: BadRequest."""

        def once(body: bytes) -> Iterator[object]:
            yield work(body)

        return await self.last(request, once)

    async def last(self, request: Request, work: Callable[[bytes], Iterator[object]]) -> Response:
        """The last that `work` yields of the body. Raises: BadRequest.

        Others have their turns where it yields None, and for as long as a `Pause` says.
        """
        tally, status, began = self._service.tally, 500, time.perf_counter()
        try:
            body = await read_body(request, self._service.settings.max_body)
            began = time.perf_counter()
            answer = None
            async with self._line.turn(_timeout(request)) as turn:
                for answer in work(body):
                    if answer is None:
                        await turn.give_way()
                    elif isinstance(answer, Pause):
                        turn.require_time("what it asks for came")
                        await turn.give_way(answer.seconds)
            response, status = json_of(answer), 200
            tally.seconds.append(time.perf_counter() - began)
        except BadRequest as error:
            status = error.status
            raise
        except ClientDisconnect:
            status = GONE
            return Response(status_code=GONE)
        finally:
            tally.statuses[status] += 1
        return response


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


def json_of(content: object, status: int = 200) -> Response:
    """A response of JSON."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def error_of(status: int, line: str) -> Response:
    """A response that says in one line what is wrong."""
    response = json_of({"error": " ".join(line.split())[:LONGEST]}, status)
    if status in RETRY_AFTER:
        response.headers["retry-after"] = str(RETRY_AFTER[status])
    return response


def takes(body: type) -> dict[str, object]:
    """What a route takes, as OpenAPI describes it beside its function."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema_of(body)}}}}


def gives(answer: type, *others: int) -> dict[int | str, dict[str, object]]:
    """What a route answers, with 200 and these other statuses, as OpenAPI describes it; or an error."""
    told: dict[str, object] = {"content": {"application/json": {"schema": schema_of(answer)}}}
    other: dict[int | str, dict[str, object]] = {one: {"description": "Not now", **told} for one in others}
    return {200: told, **other, "default": {"description": "Why not", "content": _ERROR}}


def _timeout(request: Request) -> float | None:
    told = request.headers.get(TIMEOUT)
    if told is None:
        return None
    if not (told.isdecimal() and told.isascii() and len(told) < 10):
        raise BadRequest(400, f"the header {TIMEOUT} is no number of ms: {told[:40]!r}")
    return int(told) / 1000
