"""The page where tokens are set: a browser asks for a password, and all of the page goes on with it."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable

import pytest
from playwright.sync_api import expect, sync_playwright
from serving_factory import Factory

from serving.answerer import _Api
from serving.service import Service
from serving.settings import ServingSettings
from stream.records import Announcement

pytestmark = [
    pytest.mark.browser,
    # The sockets of playwright's own event loop, which it leaves to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

TOKEN = "admin-0123456789abcdef"


def test_the_page_lives_with_the_token_as_password_and_not_without(
    service: Service, factory: Factory, serve: Callable[[Announcement], None]
) -> None:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no chromium on PATH")
        pytest.skip("no chromium on PATH")
    serve(factory.next())
    service.settings = ServingSettings.model_validate({"port": 0, "admin_token": TOKEN})
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        _Api(service, listener) as api,
        sync_playwright() as playwright,
    ):
        api.open()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            page = browser.new_context(http_credentials={"username": "me", "password": TOKEN}).new_page()
            refused: list[str] = []
            page.on("response", lambda one: refused.append(one.url) if one.status == 403 else None)
            page.goto(address)
            expect(page.locator("#link")).to_have_attribute("data-link", "live", timeout=20_000)  # its events
            page.locator("#try-user").fill("u1")
            page.locator("#try-items").fill("i1 i2")
            page.locator("#tryit button[type=submit]").click()
            expect(page.locator("#try-rows > *")).to_have_count(2, timeout=20_000)
            assert refused == []
            page.goto(f"{address}docs")
            expect(page.locator("#swagger-ui")).to_contain_text("/rank", timeout=20_000)
            stranger = browser.new_context(http_credentials={"username": "me", "password": "x"}).new_page()
            answer = stranger.goto(address)
            assert answer is not None
            assert answer.status == 401
        finally:
            browser.close()
