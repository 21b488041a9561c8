"""The page in headless Chromium: what it shows, live, by keyboard, in light, dark and on a phone."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect, sync_playwright
from serving_factory import Shelf, page_state

from serving.api import create_app
from serving.histories import Histories
from serving.service import Service
from serving.settings import ServingSettings

pytestmark = [
    pytest.mark.browser,
    # The sockets of playwright's own event loop, which it leaves to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

#: Where screenshots go, if anywhere.
SHOTS = os.environ.get("ASMG_SCREENSHOTS")
WIDTHS = {"wide": 1280, "phone": 400}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no chromium on PATH")
        pytest.skip("no chromium on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Site:
    """The application over a service, on a port of its own that outlives a restart."""

    def __init__(self) -> None:
        self.service = Service(ServingSettings(port=0), Histories(), Shelf(), lambda: 0)
        self.port = 0
        self.start()

    def start(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen()
        self.port = listener.getsockname()[1]
        self.service.closing = False
        config = uvicorn.Config(create_app(self.service), log_config=None, lifespan="off")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([listener],))
        self.thread.start()

    def stop(self) -> None:
        self.service.closing = self.server.should_exit = True
        self.thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


@pytest.fixture
def site() -> Iterator[Site]:
    one = Site()
    yield one
    one.stop()


def opened(browser: Browser, site: Site, scheme: Any = "light", width: int = 1280) -> Page:
    """The page, which fails the test where a script throws or the policy is broken."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.set_default_timeout(15_000)
    page.errors = []  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: page.errors.append(str(error)))  # type: ignore[attr-defined]
    page.on(
        "console",
        lambda said: page.errors.append(said.text) if said.type == "error" else None,  # type: ignore[attr-defined]
    )
    page.goto(site.url)
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", list(WIDTHS))
def test_the_page_shows_the_state_without_scrolling_sideways(
    browser: Browser, site: Site, scheme: str, width: str
) -> None:
    site.service.state = page_state(27)
    page = opened(browser, site, scheme, WIDTHS[width])
    expect(page.locator("#sentence")).to_have_text(site.service.state.health.sentence)
    expect(page.locator("#level")).to_have_attribute("data-level", "green")
    expect(page.locator("#link")).to_have_text("Live")
    expect(page.locator("#served")).to_contain_text("version 27")
    expect(page.locator("#rows tr")).to_have_count(10)
    expect(page.locator(".tl-row:not(.tl-axis):not(.now)")).to_have_count(12)
    for chart in ("auc", "loss"):
        expect(page.locator(f"#{chart} path[class^=l-]")).to_have_count(2)
        assert "Θ*" in str(page.locator(f"#{chart} desc").text_content())
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"page-{scheme}-{width}.png", full_page=True)
    assert page.errors == []  # type: ignore[attr-defined]
    page.close()


def test_before_anything_has_closed_the_page_says_so(browser: Browser, site: Site) -> None:
    page = opened(browser, site)
    expect(page.locator("#sentence")).to_have_text("No model yet: waiting for period 1 to close")
    expect(page.locator("#level")).to_have_attribute("data-level", "red")
    expect(page.locator("#timeline")).to_contain_text("No period has closed yet")
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / "page-empty.png", full_page=True)
    assert page.errors == []  # type: ignore[attr-defined]
    page.close()


def test_a_period_that_closes_appears_without_a_reload(browser: Browser, site: Site) -> None:
    site.service.state = page_state(6)
    page = opened(browser, site)
    expect(page.locator("#rows tr").first).to_contain_text("6")
    site.service.state = page_state(7)
    expect(page.locator("#rows tr").first.locator("th")).to_have_text("7")
    expect(page.locator("#served")).to_contain_text("version 7")
    page.close()


def test_the_page_says_that_it_has_lost_the_stream_and_finds_it_again(browser: Browser, site: Site) -> None:
    site.service.state = page_state(6)
    page = opened(browser, site)
    expect(page.locator("#link")).to_have_text("Live")
    site.stop()
    expect(page.locator("#link")).to_have_text("Reconnecting")
    site.service.state = page_state(8)
    site.start()
    expect(page.locator("#link")).to_have_text("Live", timeout=20_000)
    expect(page.locator("#served")).to_contain_text("version 8")
    page.close()


def test_charts_are_read_by_keyboard_and_by_pointer(browser: Browser, site: Site) -> None:
    state = page_state(27)
    site.service.state = state
    page = opened(browser, site)
    read = page.locator("#auc .read")
    expect(read).to_contain_text("Period 27")
    page.locator("#auc .plot").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    row = state.periods[-2]
    assert row.theta is not None
    expect(read).to_contain_text(f"Period 26Θ {row.theta.auc:.4f}")
    page.keyboard.press("Home")
    expect(read).to_contain_text("Period 2")
    page.locator("#loss .plot").hover(position={"x": 50, "y": 60})
    expect(page.locator("#loss .read")).to_contain_text("Period 2")
    page.close()


def test_all_periods_are_a_table_too_and_every_control_is_reached_by_tab(
    browser: Browser, site: Site
) -> None:
    site.service.state = page_state(27)
    page = opened(browser, site)
    expect(page.locator("#rows tr")).to_have_count(10)
    seen, deadline = set(), time.monotonic() + 15
    while not {"all", "plot", "scroll"} <= seen and time.monotonic() < deadline:
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
        if page.evaluate("document.activeElement.id") == "all":
            page.keyboard.press("Enter")
    expect(page.locator("#rows tr")).to_have_count(27)
    page.close()


def test_words_of_others_are_text_and_never_markup(browser: Browser, site: Site) -> None:
    site.service.state = page_state(6, reason="<img src=x onerror=alert(1)>")
    page = opened(browser, site)
    expect(page.locator("#rows")).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.locator("#rows img").count() == 0
    page.close()
