"""The open inference protocol, version 2, as KServe and Triton speak it, over HTTP and JSON.

Binary tensors are not taken: ids are BYTES, which JSON holds as text.
Source: the Open Inference Protocol's REST specification (kserve/open-inference-protocol).
"""

from __future__ import annotations

from importlib.metadata import version
from math import prod
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response

from serving.answers import Answers, error_of, gives, json_of, takes
from serving.request import BadRequest, Id, Pairs, decoded, require_few
from serving.service import Service
from stream.records import Int

#: The model's name.
MODEL = "asmg"
#: What ids may come as, and how many dimensions a list of them may have.
_TYPES, _DIMENSIONS = ("BYTES", "INT64"), 2


class Server(msgspec.Struct):
    """Of `GET /v2`."""

    name: str
    version: str
    extensions: list[str]


class Live(msgspec.Struct):
    """Of `GET /v2/health/live`."""

    live: bool


class Ready(msgspec.Struct):
    """Of `GET /v2/health/ready`."""

    ready: bool


class ModelReady(msgspec.Struct):
    """Of `GET /v2/models/asmg/ready`."""

    name: str
    ready: bool


class Form(msgspec.Struct):
    """An input or output: -1 is any number."""

    name: str
    datatype: str
    shape: list[int]


class Described(msgspec.Struct):
    """Of `GET /v2/models/asmg`."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[Form]
    outputs: list[Form]


_INPUTS = [Form("user_id", "BYTES", [-1]), Form("item_id", "BYTES", [-1])]
_OUTPUTS = [Form("score", "FP64", [-1])]


class _Input(msgspec.Struct):
    name: str
    shape: list[Int]
    datatype: str
    data: list[Id]


class _Output(msgspec.Struct):
    name: str


class InferBody(msgspec.Struct):
    """Of `POST /v2/models/asmg/infer`."""

    inputs: list[_Input]
    id: str | None = None
    outputs: list[_Output] = []


class Tensor(msgspec.Struct):
    """One output."""

    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class Inferred(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The answer."""

    model_name: str
    model_version: str
    id: str | None = None
    parameters: dict[str, str]
    outputs: list[Tensor]


_decoder = msgspec.json.Decoder(InferBody)


def add_inference_protocol(app: FastAPI, service: Service, answers: Answers) -> None:
    """Its routes, over the same models and the same line as the others."""

    @app.get("/v2", responses=gives(Server))
    async def server() -> Response:
        """What this server is."""
        return json_of(Server("asmg-stream", version("asmg-stream"), []))

    @app.get("/v2/health/live", responses=gives(Live))
    async def live() -> Response:
        """200 while this process runs."""
        return json_of(Live(True))

    @app.get("/v2/health/ready", responses=gives(Ready, 503))
    async def ready() -> Response:
        """200 where a model answers."""
        return json_of(Ready(service.ready), 200 if service.ready else 503)

    @app.get(f"/v2/models/{MODEL}", responses=gives(Described))
    async def model() -> Response:
        """The model that serves, what it takes and what it gives."""
        served = service.served
        versions = [str(served.standing.version)] if served else []
        return json_of(Described(MODEL, versions, "asmg", _INPUTS, _OUTPUTS))

    @app.get(f"/v2/models/{MODEL}/ready", responses=gives(ModelReady, 503))
    async def model_ready() -> Response:
        """200 where a model answers."""
        return json_of(ModelReady(MODEL, service.ready), 200 if service.ready else 503)

    async def infer(request: Request, version: str | None = None) -> Response:
        """A score for each pair of user and item; one user may stand for all."""
        return await answers.one(request, lambda body: _infer(service, body, version))

    described: dict[str, Any] = {
        "openapi_extra": takes(InferBody),
        "responses": gives(Inferred),
        "methods": ["POST"],
    }
    app.add_api_route(f"/v2/models/{MODEL}/infer", infer, **described)
    app.add_api_route(f"/v2/models/{MODEL}/versions/{{version}}/infer", infer, **described)

    @app.get("/v2/models/{name}", include_in_schema=False)
    async def another(name: str) -> Response:
        """There is one model."""
        return error_of(404, f"there is no model {name!r}; this server has {MODEL}")


def _infer(service: Service, body: bytes, version: str | None) -> Inferred:
    asked = decoded(_decoder, body)
    names = sorted(one.name for one in asked.inputs)
    if names != ["item_id", "user_id"]:
        raise BadRequest(400, f"inputs are {', '.join(names[:9]) or 'none'}: give user_id and item_id")
    given = {one.name: _texts(one) for one in asked.inputs}
    users, items = given["user_id"], given["item_id"]
    if not items:
        raise BadRequest(400, "item_id is empty: name at least one item to score")
    require_few(len(items), "item_id", service.settings.max_candidates)
    if len(users) == 1:
        users = users * len(items)
    if len(users) != len(items):
        raise BadRequest(400, f"{len(users)} of user_id for {len(items)} of item_id: give as many, or one")
    if strange := {one.name for one in asked.outputs} - {"score"}:
        raise BadRequest(400, f"there is no output {', '.join(sorted(strange))}; there is score")
    scored = service.score(Pairs(users, items, {}))
    if version is not None and version != str(scored.model_version):
        raise BadRequest(404, f"version {version} does not serve: {scored.model_version} does")
    return Inferred(
        model_name=MODEL,
        model_version=str(scored.model_version),
        id=asked.id,
        parameters={"kind": scored.kind},
        outputs=[Tensor("score", [len(items)], "FP64", scored.scores)],
    )


def _texts(given: _Input) -> list[str]:
    shape = given.shape
    if len(shape) > _DIMENSIONS or min(shape, default=1) < 0 or prod(shape) != len(given.data):
        told = ", ".join(map(str, shape[: _DIMENSIONS + 1]))
        raise BadRequest(400, f"{given.name} has the shape [{told}] and {len(given.data)} values")
    if given.datatype not in _TYPES:
        raise BadRequest(400, f"{given.name} is {given.datatype[:20]}: ids are {' or '.join(_TYPES)}")
    return [str(one) for one in given.data]
