"""The page in headless Chromium: what it shows, live, by keyboard, in light, dark and on a phone."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import uvicorn
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, expect, sync_playwright
from serving_factory import Shelf, page_state

from asmg.report import compared
from serving.api import create_app
from serving.board import Measure, Row, Unused
from serving.histories import Histories
from serving.service import Service
from serving.settings import ServingSettings
from serving.state import NOTHING, State

pytestmark = [
    pytest.mark.browser,
    # The sockets of playwright's own event loop, which it leaves to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

#: Where screenshots go, if anywhere.
SHOTS = os.environ.get("ASMG_SCREENSHOTS")
WIDTHS = {"wide": 1280, "phone": 400}

SHADOWS = ("iu", "asmg-gru-multi")


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
    site.service.state = page_state(27, shadows=SHADOWS)
    page = opened(browser, site, scheme, WIDTHS[width])
    expect(page.locator("#sentence")).to_have_text(site.service.state.health.sentence)
    expect(page.locator("#level")).to_have_attribute("data-level", "green")
    expect(page.locator("#link")).to_have_text("Live")
    expect(page.locator("#served")).to_contain_text("version 27")
    expect(page.locator("#rows tr")).to_have_count(10)
    expect(page.locator(".tl-row:not(.tl-axis):not(.now)")).to_have_count(12)
    for chart in ("auc", "loss"):
        expect(page.locator(f"#{chart} .plot path[class^=l-]")).to_have_count(4)
        assert "Θ*" in str(page.locator(f"#{chart} desc").text_content())
    expect(page.locator("#beside tbody tr")).to_have_count(5)
    for part in ("document.documentElement", "document.getElementById('beside')"):
        assert page.evaluate(f"{part}.scrollWidth <= {part}.clientWidth"), part
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"page-{scheme}-{width}.png", full_page=True)
    assert page.errors == []  # type: ignore[attr-defined]
    page.close()


def test_events_that_came_too_late_are_shown_period_by_period(browser: Browser, site: Site) -> None:
    state = page_state(6)
    rows = [replace(row, unused=Unused(late=row.period, delayed=10 * row.period)) for row in state.periods]
    site.service.state = replace(state, periods=rows)
    page = opened(browser, site)
    cells = page.locator("#rows tr").first.locator("td")
    expect(cells.nth(1)).to_have_text("6")
    expect(cells.nth(2)).to_have_text("60")
    expect(page.locator("#unused")).to_have_text(
        "Met while period 6 was open: 6 late, 60 delayed, 0 duplicate, 0 dead"
    )
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_shadows_are_thinner_lines_than_the_two_that_may_serve_told_apart_by_dash_and_tone(
    browser: Browser, site: Site, scheme: str
) -> None:
    site.service.state = page_state(27, shadows=("iu", "asmg-gru-multi", "spmf"))
    page = opened(browser, site, scheme)
    for chart in ("auc", "loss"):
        expect(page.locator(f"#{chart} .plot .l-shadow")).to_have_count(3)
        looks = page.locator(f"#{chart} .plot path[class^=l-]").evaluate_all(
            "all => all.map(getComputedStyle).map(s => [s.strokeWidth, s.strokeDasharray, s.stroke])"
        )
        *shadows, star, theta = looks
        assert star[1] == theta[1] == "none"
        assert max(pixels(width) for width, _, _ in shadows) < min(pixels(star[0]), pixels(theta[0]))
        assert len({dash for _, dash, _ in looks}) == 4
        assert len({tone for _, _, tone in looks}) == 5
    page.close()


def pixels(length: str) -> float:
    return float(length.removesuffix("px"))


def test_shadows_are_named_where_the_chart_is_read_and_described(browser: Browser, site: Site) -> None:
    state = page_state(27, shadows=SHADOWS)
    site.service.state = state
    page = opened(browser, site)
    row = state.periods[-1]
    expect(page.locator("#loss .read")).to_contain_text(f"iu {row.shadows['iu'].logloss:.4f}")
    name = "AUC of Θ, Θ*, iu and asmg-gru-multi by period"
    expect(page.locator("#auc .plot")).to_have_attribute(
        "aria-label", f"{name}; the arrow keys read single periods"
    )
    assert page.locator("#auc title").text_content() == name
    described = str(page.locator("#auc desc").text_content())
    assert f"iu: 26 periods, between {low_high(state, 'iu')}, last {row.shadows['iu'].auc:.4f}." in described
    assert "asmg-gru-multi: 22 periods, " in described
    page.locator("#auc .plot").focus()
    page.keyboard.press("End")
    row_told = ", ".join(f"{one} {score.auc:.4f}" for one, score in row.shadows.items())
    expect(page.locator("#auc [aria-live]")).to_contain_text(row_told)
    page.keyboard.press("Home")
    first = state.periods[1].shadows["iu"].auc
    expect(page.locator("#auc [aria-live]")).to_contain_text(f"iu {first:.4f}, asmg-gru-multi –")
    assert page.errors == []  # type: ignore[attr-defined]
    page.close()


def low_high(state: State, shadow: str) -> str:
    values = [row.shadows[shadow].auc for row in state.periods if shadow in row.shadows]
    return f"{min(values):.4f} and {max(values):.4f}"  # type: ignore[type-var]


@pytest.mark.parametrize("shadows", [(), ("iu",), SHADOWS])
@pytest.mark.parametrize("periods", [4, 9, 27])
def test_side_by_side_has_the_means_of_the_report_and_what_the_gate_chose(
    browser: Browser, site: Site, periods: int, shadows: tuple[str, ...]
) -> None:
    state = page_state(periods, shadows=shadows)
    site.service.state = state
    page = opened(browser, site)
    means = compared(state.periods)
    expect(page.locator("#beside tbody tr")).to_have_count(1 + len(means))
    star = means["Θ*"]
    last = [row for row in state.periods if row.star and len(row.shadows) == len(means) - 2][-7:]
    everything = {"The gate’s choice": chosen(state.periods, last)} | means
    best = {
        "auc": max(f"{one['auc']:.4f}" for one in everything.values()),
        "logloss": min(f"{one['logloss']:.4f}" for one in everything.values()),
    }
    for place, (name, one) in enumerate(everything.items()):
        cells = page.locator("#beside tbody tr").nth(place).locator("th, td").all_text_contents()
        expected = [name]
        for figure in ("auc", "logloss"):
            mine, its = one[figure], star[figure]
            assert mine is not None
            assert its is not None
            told = f"{mine:.4f}"
            expected.append(f"{told} best" if told == best[figure] else told)
            apart = f"{mine - its:+.4f}".replace("-", "−").replace("+0.0000", "±0.0000")
            expected.append("–" if name == "Θ*" else apart.replace("−0.0000", "±0.0000"))
        assert cells == expected
    assert page.errors == []  # type: ignore[attr-defined]
    page.close()


def chosen(rows: Sequence[Row], last: Sequence[Row]) -> dict[str, float | None]:
    """Means of what the gate's word after the period before let serve."""
    words = {row.period + 1: row.word for row in rows}
    scores = [row.star if words[row.period].kind == "star" else row.theta for row in last]  # type: ignore[union-attr]
    return {figure: fmean(getattr(one, figure) for one in scores) for figure in ("auc", "logloss")}


def plus(score: Measure, auc: float, logloss: float) -> Measure:
    assert score.auc is not None
    assert score.logloss is not None
    return Measure(score.auc + auc, score.logloss + logloss)


@pytest.mark.parametrize(
    ("auc", "logloss", "standing"),
    [
        (-0.029, 0.018, "ahead of iu by +0.0290 AUC and by 0.0180 LogLoss"),
        (-0.029, -0.004, "ahead of iu by +0.0290 AUC but behind it by 0.0040 LogLoss"),
        (0.029, -0.004, "behind iu by 0.0290 AUC and by 0.0040 LogLoss"),
        (0.029, 0.004, "behind iu by 0.0290 AUC but ahead of it by 0.0040 LogLoss"),
        (0.0, 0.004, "level with iu in AUC but ahead of it by 0.0040 LogLoss"),
    ],
)
def test_one_sentence_says_whether_the_generated_model_beats_incremental_update(
    browser: Browser, site: Site, auc: float, logloss: float, standing: str
) -> None:
    state = page_state(27, shadows=())
    rows = [
        replace(row, shadows={"iu": plus(row.star, auc, logloss)} if row.star else {})
        for row in state.periods
    ]
    site.service.state = replace(state, periods=rows)
    page = opened(browser, site)
    expect(page.locator("#verdict")).to_have_text(f"Θ* is {standing} over the last 7 periods")
    page.close()


def test_without_shadows_the_sentence_is_about_the_base_model(browser: Browser, site: Site) -> None:
    site.service.state = page_state(27, shadows=())
    page = opened(browser, site)
    expect(page.locator("#verdict")).to_contain_text("Θ* is ahead of Θ by +0.01")
    expect(page.locator("#beside tbody tr")).to_have_count(3)
    page.close()


def test_a_comparison_that_has_fallen_behind_does_not_speak_of_the_last_periods(
    browser: Browser, site: Site
) -> None:
    state = page_state(27)
    rows = [replace(row, shadows=row.shadows if row.period <= 14 else {}) for row in state.periods]
    site.service.state = replace(state, periods=rows)
    page = opened(browser, site)
    expect(page.locator("#verdict")).to_contain_text("over the 7 periods up to 14")
    page.close()


def test_a_score_that_is_not_finite_has_no_mean(browser: Browser, site: Site) -> None:
    state = page_state(27)
    *rows, last = state.periods
    rows.append(replace(last, shadows={"iu": Measure(None, 0.6)}))
    site.service.state = replace(state, periods=rows)
    page = opened(browser, site)
    row = page.locator("#beside tbody tr").nth(3)
    loss = compared(rows)["iu"]["logloss"]
    expect(row.locator("td")).to_contain_text(["–", "–", f"{loss:.4f}", "+0.0"])
    expect(page.locator("#verdict")).to_contain_text(
        "Θ* is without a finite AUC to compare but ahead of iu by"
    )
    assert page.errors == []  # type: ignore[attr-defined]
    page.close()


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (NOTHING, "No model has been scored yet."),
        (page_state(1), "No model has been scored yet."),
        (page_state(3), "No period yet in which all of Θ, Θ* and iu were scored."),
    ],
    ids=["nothing", "not scored", "not all scored"],
)
def test_side_by_side_has_no_figures_before_all_are_scored(
    browser: Browser, site: Site, state: State, told: str
) -> None:
    site.service.state = state
    page = opened(browser, site)
    expect(page.locator("#link")).to_have_text("Live")
    expect(page.locator("#rows tr th")).to_have_count(len(state.periods))
    expect(page.locator("#verdict")).to_have_text(told)
    expect(page.locator("#beside")).to_be_hidden()
    assert page.locator("#beside tbody tr").count() == 0
    assert page.errors == []  # type: ignore[attr-defined]
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
