"""The files of the page, and of `/docs`, over HTTP."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePath

from fastapi import FastAPI, Response

from serving.answers import error_of

#: Where they lie.
FOLDER = files("serving").joinpath("page")

_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
#: Paths at which a file is found by another name than its own.
_NAMED = {
    "index.html": "/",
    "docs.html": "/docs",
    "uPlot.esm.js": "/uplot.js",
    "uPlot.min.css": "/uplot.css",
}
#: What draws `/docs`.
_SWAGGER = {"swagger-ui-bundle.js", "swagger-ui.css"}


def add_page(app: FastAPI, folder: Traversable = FOLDER) -> None:
    """A route for each file; `/docs` says what to run where what draws it is not there."""
    found = {file.name: file for file in folder.iterdir() if PurePath(file.name).suffix in _TYPES}
    for name, file in found.items():
        path, kind = _NAMED.get(name, f"/{name}"), _TYPES[PurePath(name).suffix]
        if name == "docs.html" and not found.keys() >= _SWAGGER:
            app.add_api_route(path, _missing, include_in_schema=False)
        else:
            _add_file(app, path, kind, file.read_bytes())


def _add_file(app: FastAPI, path: str, kind: str, content: bytes) -> None:
    async def file() -> Response:
        return Response(content, media_type=kind, headers={"cache-control": "no-cache"})

    app.add_api_route(path, file, include_in_schema=False)


async def _missing() -> Response:
    return error_of(404, "Swagger UI is not there: run `make install`, then start serving again")
