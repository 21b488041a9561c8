"""The page's files over HTTP: `/docs` with all that it names, or one line where what draws it is missing."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from serving.page_files import FOLDER, add_page

#: What set-up fetches for `/docs`.
SWAGGER = {"swagger-ui-bundle.js": b"SwaggerUIBundle = () => {}", "swagger-ui.css": b"body { margin: 0 }"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The page's files, with a Swagger UI that draws nothing."""
    page = shutil.copytree(str(FOLDER), tmp_path / "page", ignore=shutil.ignore_patterns("swagger-ui*"))
    for name, content in SWAGGER.items():
        (page / name).write_bytes(content)
    return page


def get(folder: Path, path: str) -> httpx.Response:
    app = FastAPI(docs_url=None)
    add_page(app, folder)

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(path)

    return asyncio.run(run())


def test_all_that_the_docs_name_is_served_here(folder: Path) -> None:
    docs = get(folder, "/docs")
    assert (docs.status_code, docs.headers["content-type"]) == (200, "text/html; charset=utf-8")
    named = re.findall(r'<(?:link|script) [^>]*(?:href|src)="([^"]+)"', docs.text)
    assert {f"/{name}" for name in SWAGGER} | {"/docs.js"} <= set(named)
    for path in named:
        assert re.match("/[^/]", path)
        assert get(folder, path).status_code == 200
    assert get(folder, "/swagger-ui-bundle.js").content == SWAGGER["swagger-ui-bundle.js"]
    assert get(folder, "/swagger-ui-bundle.js").headers["content-type"].startswith("text/javascript")
    assert get(folder, "/swagger-ui.css").headers["content-type"].startswith("text/css")


@pytest.mark.parametrize("path", ["/docs", "/docs.js", "/theme.js"])
def test_nothing_of_the_docs_refers_to_another_host(folder: Path, path: str) -> None:
    assert not re.search(r"""https?:|["'(]//""", get(folder, path).text)


def test_the_docs_have_no_script_and_no_style_of_their_own(folder: Path) -> None:
    text = get(folder, "/docs").text
    assert re.findall(r"<script(?![^>]* src=)", text) == []
    assert not re.search(r"<style| style=| on[a-z]+=", text)


@pytest.mark.parametrize("missing", SWAGGER)
def test_without_what_draws_them_the_docs_say_what_to_run(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    docs = get(folder, "/docs")
    assert docs.status_code == 404
    assert docs.json() == {"error": "Swagger UI is not there: run `make install`, then start serving again"}
    assert get(folder, "/").status_code == 200
