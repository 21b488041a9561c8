"""The page in headless Chromium: what it shows, live, by keyboard, in light, dark and on a phone."""

from __future__ import annotations

import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright
from serving_factory import Factory, Shelf, Watched, load, page_moments, page_state

from asmg.report import compared
from serving import board, page_library
from serving.api import create_app
from serving.board import Measure, Row, Unused
from serving.canary import Arm, Canary
from serving.health import Standing
from serving.histories import Histories
from serving.service import Other, Served
from serving.settings import ServingSettings
from serving.state import NOTHING, Events, Process, Requests, State, Taken
from stream.records import Drift

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
        self.service = Watched(ServingSettings(port=0), Histories(), Shelf(), lambda: 0)
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
    if not page_library.present():
        told = "the page's libraries are not there: run `make install`"
        pytest.fail(told) if os.environ.get("CI") == "true" else pytest.skip(told)
    one = Site()
    yield one
    one.stop()


def opened(browser: Browser, site: Site, scheme: Any = "light", width: int = 1280) -> Page:
    """The page, which fails the test where a script throws or the policy is broken."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.set_default_timeout(15_000)
    page.errors = []  # type: ignore[attr-defined]
    page.asked = []  # type: ignore[attr-defined]
    page.on("request", lambda request: page.asked.append(request.url))  # type: ignore[attr-defined]
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
    for chart in ("auc", "loss", "lag", "requests", "latency", "drift", "late"):
        expect(page.locator(f"#{chart} canvas")).to_be_visible()
        assert inked(page, chart) > 1_000
    expect(page.locator("#beside tbody tr")).to_have_count(5)
    expect(page.locator("#processes tr")).to_have_count(2)
    for part in ("document.documentElement", "document.getElementById('beside')"):
        assert page.evaluate(f"{part}.scrollWidth <= {part}.clientWidth"), part
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"page-{scheme}-{width}.png", full_page=True)
    assert page.errors == []  # type: ignore[attr-defined]
    assert all(url.startswith(site.url) for url in page.asked)  # type: ignore[attr-defined]
    page.close()


def inked(page: Page, chart: str) -> int:
    """Pixels of a chart that have any colour."""
    return sum(colours(page, chart).values())


#: Counts the pixels of a canvas by colour, from its first row to one `below`; 0 is all of it.
COUNT = """
(canvas, below) => {
  const found = new Map();
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, below || canvas.height).data;
  for (let at = 0; at < pixels.length; at += 4) {
    const colour = pixels.slice(at, at + 4).join();
    if (pixels[at + 3]) found.set(colour, (found.get(colour) ?? 0) + 1);
  }
  return [...found];
}
"""


def colours(page: Page, chart: str, below: int = 0) -> dict[tuple[int, ...], int]:
    """How many pixels of a chart have which colour (red, green, blue, alpha), none of them clear."""
    found = page.locator(f"#{chart} canvas").evaluate(COUNT, below)
    return {tuple(map(int, colour.split(","))): pixels for colour, pixels in found}


def of(page: Page, name: str) -> tuple[int, int, int]:
    """A colour of the page's style, by the name of its custom property."""
    text = page.evaluate(f"getComputedStyle(document.documentElement).getPropertyValue('--{name}')").strip()
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def solid(page: Page, chart: str, name: str, below: int = 0) -> int:
    """Pixels of a chart in this colour and nothing else."""
    return colours(page, chart, below).get((*of(page, name), 255), 0)


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
    page.keyboard.press("Escape")
    expect(read).to_contain_text("Period 27")
    page.locator("#loss .plot").hover(position={"x": 50, "y": 60})
    for chart in ("loss", "auc"):  # one is pointed at, the others along the same axis follow
        expect(page.locator(f"#{chart} .read")).to_contain_text("Period 2Θ ")
    page.mouse.move(0, 0)
    expect(page.locator("#loss .read")).to_contain_text("Period 27")
    assert page.errors == []  # type: ignore[attr-defined]
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_shadows_are_thinner_lines_than_the_two_that_may_serve_told_apart_by_dash_and_tone(
    browser: Browser, site: Site, scheme: str
) -> None:
    site.service.state = page_state(27, shadows=("iu", "asmg-gru-multi", "spmf"))
    page = opened(browser, site, scheme)
    for chart in ("auc", "loss"):
        shadows = page.locator(f"#{chart} .read .r-shadow .sample path")
        expect(shadows).to_have_count(3)
        looks = shadows.evaluate_all(
            "all => all.map(getComputedStyle).map(s => [s.strokeDasharray, s.stroke])"
        )
        assert len({dash for dash, _ in looks}) == len({tone for _, tone in looks}) == 3
        inks = {name: solid(page, chart, name) for name in ("theta", "star", "tone-0", "tone-1", "tone-2")}
        assert max(inks.values()) > 0
        assert min(inks["theta"], inks["star"]) > 2 * max(inks[f"tone-{one}"] for one in range(3)), inks
    page.close()


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
    described = str(page.locator("#auc-summary").text_content())
    expect(page.locator("#auc .plot")).to_have_attribute("aria-describedby", "auc-summary")
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
    while (
        not {"all", "plot", "scroll", "try-user", "try-items", "try-k", "try-ask"} <= seen
        and time.monotonic() < deadline
    ):
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


def grown(state: State, seconds: int) -> State:
    """What the state is some seconds later, with nobody asking and the window 99 records behind."""
    assert state.now is not None
    at, lag = state.now.at + 1000 * seconds, replace(state.lag, window=99)
    now = replace(state.now, at=at, lag=lag, requests_per_second=0.0, p50_ms=None, p99_ms=None)
    return replace(state, now=now, moments=[*state.moments, now], lag=lag)


def test_lines_over_time_grow_with_every_pulse(browser: Browser, site: Site) -> None:
    state = page_state(6)
    site.service.state = state
    page = opened(browser, site)
    summary = page.locator("#lag-summary")
    expect(summary).to_contain_text("window: 300 moments")
    expect(page.locator("#latency-summary")).to_contain_text("p99: 280 moments")
    page.locator("#requests .plot").focus()
    page.keyboard.press("Home")
    first = page.locator("#requests .read span").first
    began = str(first.text_content())
    state = grown(state, 1)
    site.service.state = state
    expect(summary).to_contain_text("window: 301 moments")
    expect(first).to_have_text(began)  # what is read by keys stays where it is
    page.keyboard.press("Escape")
    expect(page.locator("#lag .lane-names li").first).to_contain_text("window99 peak")
    expect(page.locator("#latency .read")).to_contain_text("p99 –")
    expect(page.locator("#latency-summary")).to_contain_text("p99: 280 moments")
    site.service.state = replace(state, events=Events(1, 2.0))  # the same moment: nothing new
    expect(page.locator("#rate")).to_have_text("2.0/s")
    expect(summary).to_contain_text("window: 301 moments")
    assert page.errors == []  # type: ignore[attr-defined]
    page.close()


def test_only_the_time_that_is_asked_for_is_shown(browser: Browser, site: Site) -> None:
    state = page_state(6)
    assert state.now is not None
    site.service.state = replace(state, moments=page_moments(state.now.at, 3_000))
    page = opened(browser, site)
    summary = page.locator("#lag-summary")
    expect(summary).to_contain_text("window: 901 moments")
    page.locator("#range input").first.focus()
    page.keyboard.press("ArrowRight")
    expect(summary).to_contain_text("window: 3000 moments")
    page.close()


MARKS = 9  # rows at the top of a chart in which only marks are


def test_swaps_of_the_model_are_marked_on_the_lines_over_time(browser: Browser, site: Site) -> None:
    state = replace(page_state(6), swaps=[], taken=None)
    site.service.state = state
    page = opened(browser, site)
    charts = ("lag", "requests", "latency")
    for chart in charts:
        expect(page.locator(f"#{chart} canvas")).to_be_visible()
        assert solid(page, chart, "star", MARKS) == 0
    state = grown(state, 1)
    assert state.now is not None
    taken = Taken(state.now.at - 40_000, "star", 6)
    site.service.state = replace(state, taken=taken)
    for chart in charts:
        expect(page.locator(f"#{chart}-summary")).to_contain_text("Marks: 1, the last: swapped to Θ* 6 at ")
        assert solid(page, chart, "star", MARKS) > 8
        assert solid(page, chart, "theta", MARKS) == 0
    page.locator("#latency .plot").focus()
    page.keyboard.press("End")
    for _ in range(4):
        page.keyboard.press("PageUp")
    expect(page.locator("#latency [aria-live]")).to_contain_text(
        re.compile(r"p99 [\d.]+ ms, swapped to Θ\* 6")
    )
    assert page.errors == []  # type: ignore[attr-defined]
    page.close()


def test_every_method_has_a_band_where_it_has_been_scored_often_enough(browser: Browser, site: Site) -> None:
    site.service.state = page_state(3)  # Θ scored twice, and two values make no band
    page = opened(browser, site)
    expect(page.locator("#auc canvas")).to_be_visible()
    assert tinted(page, "theta") < 60  # edges of lines
    site.service.state = page_state(12, shadows=("iu",))
    expect(page.locator("#auc .read")).to_contain_text("Period 12")
    for name in ("theta", "star", "tone-0"):
        assert tinted(page, name) > 200, name
    page.close()


def tinted(page: Page, name: str) -> int:
    """Pixels of the chart of AUC that have a touch of this colour: a band, where no other lies over it."""
    ink = of(page, name)
    return sum(
        pixels
        for (*rgb, alpha), pixels in colours(page, "auc").items()
        if 24 <= alpha <= 32 and all(abs(one - other) < 10 for one, other in zip(rgb, ink, strict=True))
    )


def test_charts_take_the_colours_of_the_other_scheme_at_once(browser: Browser, site: Site) -> None:
    site.service.state = page_state(12)
    page = opened(browser, site)
    expect(page.locator("#auc canvas")).to_be_visible()
    light = of(page, "star")
    page.emulate_media(color_scheme="dark")
    dark = of(page, "star")
    assert dark != light
    until(lambda: (*dark, 255) in colours(page, "auc"))
    assert (*light, 255) not in colours(page, "auc")
    page.close()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_charts_keep_to_the_width_of_the_window(browser: Browser, site: Site) -> None:
    site.service.state = page_state(12)
    page = opened(browser, site)
    expect(page.locator("#lag canvas")).to_be_visible()
    widths = "all => all.map(one => one.clientWidth)"
    for width in (400, 820):
        page.set_viewport_size({"width": width, "height": 900})
        for chart in ("auc", "lag", "latency", "late"):
            plots = page.locator(f"#{chart} :is(.plot, .uplot)")
            until(lambda plots=plots: len(set(plots.evaluate_all(widths))) == 1)  # type: ignore[misc]
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.close()


def test_drift_and_unused_events_are_read_period_by_period(browser: Browser, site: Site) -> None:
    state = page_state(6)
    rows = [
        replace(row, drift=Drift(row.period / 10, row.period / 100), unused=Unused(late=row.period, dead=2))
        for row in state.periods
    ]
    site.service.state = replace(state, periods=rows)
    page = opened(browser, site)
    expect(page.locator("#drift .lane-names li")).to_have_text(
        ["distance0.600 peak 0.600", "new items6.0 % peak 6 %"]
    )
    expect(page.locator("#late .lane-names li")).to_have_text(["late6 peak 6", "dead2 peak 2"])
    page.locator("#drift .plot").focus()
    page.keyboard.press("Home")
    expect(page.locator("#drift [aria-live]")).to_have_text("Period 1, distance 0.100, new items 1.0 %")
    expect(page.locator("#late .read")).to_have_text("Period 1")
    assert page.errors == []  # type: ignore[attr-defined]
    page.close()


def test_without_drift_and_moments_the_page_says_so(browser: Browser, site: Site) -> None:
    state = page_state(3)
    rows = [replace(row, drift=None) for row in state.periods]
    site.service.state = replace(
        state, periods=rows, moments=[], now=None, swaps=[], taken=None, processes=[]
    )
    page = opened(browser, site)
    expect(page.locator("#drift")).to_have_text("No two periods to compare yet.")
    for chart in ("lag", "requests", "latency"):
        expect(page.locator(f"#{chart}")).to_have_text("No second has been measured yet.")
    expect(page.locator("#processes")).to_contain_text("No process has told of itself yet.")
    assert page.errors == []  # type: ignore[attr-defined]
    page.close()


def test_a_process_that_has_another_model_than_the_one_that_serves_is_named(
    browser: Browser, site: Site
) -> None:
    state = page_state(6)
    processes = [
        Process(pid=11, version=6, kind="star", requests=1_234),
        Process(pid=12, version=5, kind="star", requests=9),
        Process(pid=13),
    ]
    site.service.state = replace(state, processes=processes)
    page = opened(browser, site)
    expect(page.locator("#processes tr")).to_have_text(
        ["11Θ* 61,234", "12Θ* 5 not the one that serves9", "13none yet0"]
    )
    expect(page.locator("#processes-more")).to_have_text("1 of 3 have the model that serves")
    page.close()


def test_under_a_canary_both_models_are_told_with_what_came_of_their_impressions(
    browser: Browser, site: Site
) -> None:
    state = page_state(6)
    site.service.state = state
    page = opened(browser, site, width=WIDTHS["phone"])
    expect(page.locator("#served")).to_contain_text("version 6")
    expect(page.locator("#canary")).to_be_hidden()
    arms = (Arm("star", 20_000, 1_300, 0.065, 0.23456), Arm("theta"))
    site.service.state = replace(state, canary=Canary(0.05, arms))
    expect(page.locator("#canary")).to_be_visible()
    expect(page.locator("#canary-more")).to_contain_text("Θ for 5 % of users, Θ* for the others")
    expect(page.locator("#arms tr")).to_have_text(["Θ*20,0006.50 %0.2346", "Θ0––"])
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    if SHOTS:
        page.locator("#serving").screenshot(path=Path(SHOTS) / "canary-phone.png")
        page.set_viewport_size({"width": WIDTHS["wide"], "height": 900})
        page.locator("#serving").screenshot(path=Path(SHOTS) / "canary-wide.png")
    site.service.state = replace(state, canary=None)
    expect(page.locator("#canary")).to_be_hidden()
    assert page.errors == []  # type: ignore[attr-defined]
    page.close()


def test_the_ranking_tile_has_the_rate_and_counts_what_was_refused(browser: Browser, site: Site) -> None:
    state = page_state(6)
    site.service.state = state
    page = opened(browser, site)
    expect(page.locator("#p99-more")).to_have_text("184/s, median 1.4 ms, 51,204 in all")
    site.service.state = replace(state, requests=Requests(51_300, 0.4, None, None, 12))
    expect(page.locator("#p99")).to_have_text("–ms p99")
    expect(page.locator("#p99-more")).to_have_text("0.4/s, 51,300 in all, 12 refused (429)")
    assert page.errors == []  # type: ignore[attr-defined]
    page.close()


def test_periods_that_change_replace_their_rows_and_those_no_longer_listed_go(
    browser: Browser, site: Site
) -> None:
    state = page_state(6)
    site.service.state = state
    page = opened(browser, site)
    numbers = page.locator("#rows tr th")
    expect(numbers).to_have_text(["6", "5", "4", "3", "2", "1"])
    *_, four, five, six = state.periods
    site.service.state = replace(state, periods=[four, replace(five, samples=77), six])
    expect(numbers).to_have_text(["6", "5", "4"])
    expect(page.locator("#rows tr").nth(1).locator("td").first).to_have_text("77")
    expect(page.locator("#lag-summary")).to_contain_text("window: 300 moments")
    assert page.errors == []  # type: ignore[attr-defined]
    page.close()


ANSWER = {
    "model_version": 6,
    "kind": "star",
    "items": [
        {"item_id": "i9", "score": 0.5, "theta": 0.25, "star": 0.5, "known": True},
        {"item_id": "<b>i8</b>", "score": 0.125, "star": 0.125, "known": False},
    ],
    "history": [f"h{place}" for place in range(30)],
    "unknown_user": False,
    "unknown_items": 1,
    "explained": {"theta": None, "star": 6},
}


def test_try_it_shows_both_models_scores_and_the_users_history(browser: Browser, site: Site) -> None:
    site.service.state = page_state(6)
    page = opened(browser, site)
    asked: list[Any] = []

    def answer(route: Route) -> None:
        asked.append(route.request.post_data_json)
        route.fulfill(json=ANSWER)

    page.route("**/rank", answer)
    page.locator("#try-user").fill(" u1 ")
    page.locator("#try-items").fill("i9, i8\ni7;i9  i6")
    page.locator("#try-k").fill("2")
    page.keyboard.press("Enter")
    expect(page.locator("#try-told")).to_have_text(
        re.compile(r"^2 best, by Θ\* 6, in [\d.]+ ms; 1 of the candidates never seen, ")
    )
    assert asked == [{"user_id": "u1", "candidates": ["i9", "i8", "i7", "i9", "i6"], "k": 2, "explain": True}]
    expect(page.locator("#try-rows tr")).to_have_text(["1i90.25000.5000", "2<b>i8</b> never seen–0.1250"])
    expect(page.locator("#try-theta")).to_have_text("Θ not there")
    expect(page.locator("#try-star")).to_have_text("Θ* 6serves")
    bars = page.locator("#try-rows .well i").evaluate_all("all => all.map(one => one.style.width)")
    assert bars == ["50%", "100%", "25%"]
    expect(page.locator("#try-history-of")).to_have_text("History of u1, newest first")
    expect(page.locator("#try-history li")).to_have_count(25)
    expect(page.locator("#try-history li").last).to_have_text("and 6 more")
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / "page-try-it.png", full_page=True)
    assert page.errors == []  # type: ignore[attr-defined]
    page.close()


def test_where_the_moving_average_serves_it_stands_beside_the_generated_model(
    browser: Browser, site: Site
) -> None:
    state = page_state(6)
    rows = [
        replace(row, ema=row.theta, served=None, word=board.Served(row.period, "ema"))
        for row in state.periods
    ]
    site.service.state = replace(state, periods=rows)
    page = opened(browser, site)
    expect(page.locator("#rows .tag").first).to_have_text("EMA")
    expect(page.locator("#beside tbody th")).to_contain_text(["The gate’s choice", "Θ", "Θ*", "EMA"])
    item = {"item_id": "i9", "score": 0.25, "ema": 0.25, "star": 0.5, "known": True}
    answers(
        page,
        json=ANSWER | {"kind": "ema", "items": [item], "explained": {"theta": None, "star": 6, "ema": 6}},
    )
    page.locator("#try-user").fill("u1")
    page.locator("#try-items").fill("i9")
    page.keyboard.press("Enter")
    expect(page.locator("#try-theta")).to_have_text("EMA 6serves")
    expect(page.locator("#try-star")).to_have_text("Θ* 6")
    expect(page.locator("#try-rows tr")).to_have_text(["1i90.25000.5000"])
    assert page.errors == []  # type: ignore[attr-defined]
    page.close()


def test_try_it_shows_what_the_models_in_service_say(browser: Browser, site: Site, factory: Factory) -> None:
    theta, star = factory.next("theta"), factory.next("star")
    models = {one.kind: load(factory.store, one, factory.settings) for one in (theta, star)}
    site.service.served = Served(models["star"], Standing(2, "star", 2, 0))
    site.service.beside = Other(models["theta"], "theta", 1)
    page = opened(browser, site)
    page.locator("#try-user").fill("nobody")
    page.locator("#try-items").fill("i1 i2 never")
    page.keyboard.press("Enter")
    expect(page.locator("#try-rows tr")).to_have_count(3)
    expect(page.locator("#try-rows")).to_contain_text("never never seen")
    expect(page.locator("#try-theta")).to_have_text("Θ 1")
    expect(page.locator("#try-star")).to_have_text("Θ* 2serves")
    expect(page.locator("#try-history")).to_have_text("empty")
    said = [float(one) for one in page.locator(".score.best > span:first-child").all_text_contents()]
    assert said == sorted(said, reverse=True)
    assert page.errors == []  # type: ignore[attr-defined]
    page.close()


def answers(page: Page, **answer: Any) -> None:
    """What `POST /rank` answers from now on."""
    page.route("**/rank", lambda route: route.fulfill(**answer))


def test_try_it_says_in_one_line_why_there_is_no_answer(browser: Browser, site: Site) -> None:
    site.service.state = page_state(6)
    page = opened(browser, site)
    answers(page, json=ANSWER)  # long before the first question: it takes hold after a while
    told, answer = page.locator("#try-told"), page.locator("#try-answer")
    page.locator("#try-ask").click()
    expect(told).to_have_text("Name a user.")
    page.keyboard.type("u1")  # what is missing has the focus
    page.keyboard.press("Enter")
    expect(told).to_have_text("Name at least one item to rank.")
    page.keyboard.type("i1")
    page.keyboard.press("Enter")
    expect(answer).to_be_visible()
    for status, line in ((503, "no model serves yet: ask again soon"), (429, "too many wait")):
        answers(page, status=status, json={"error": line})
        page.keyboard.press("Enter")
        expect(told).to_have_text(line)
        expect(told).to_have_class("told failed")
        expect(answer).to_be_hidden()
    answers(page, status=502, body="<html>")
    page.keyboard.press("Enter")
    expect(told).to_have_text("The server answered with HTTP 502.")
    page.route("**/rank", lambda route: route.abort())
    page.keyboard.press("Enter")
    expect(told).to_have_text("The server cannot be reached.")
    page.close()


def test_without_the_chart_library_the_page_names_the_command_and_tells_the_rest(
    browser: Browser, site: Site
) -> None:
    site.service.state = page_state(6)
    page = browser.new_page()
    page.route("**/uplot.js", lambda route: route.fulfill(status=404, body=""))
    page.goto(site.url)
    for chart in ("auc", "lag", "late"):
        expect(page.locator(f"#{chart}")).to_contain_text("run `make install`")
    expect(page.locator("#rows tr th").first).to_have_text("6")
    expect(page.locator("#processes tr")).to_have_count(2)
    page.close()


def test_the_api_is_looked_at_and_tried_with_what_is_served_here(browser: Browser, site: Site) -> None:
    page = opened(browser, site, "dark")
    page.locator("footer").get_by_text("API").click()
    page.wait_for_url("**/docs")
    page.locator(".opblock").first.wait_for()
    for path in ("/rank", "/score", "/recommend"):
        expect(page.locator(f".opblock-post [data-path='{path}']")).to_be_visible()
    expect(page.locator("html")).to_have_class("dark-mode")
    page.locator(".opblock-get [data-path='/version']").click()
    page.locator(".opblock.is-open .execute").click()
    expect(page.locator(".live-responses-table .response .response-col_status")).to_contain_text("200")
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / "docs.png", full_page=True)
    assert page.errors == []  # type: ignore[attr-defined]
    assert {urlsplit(url).path for url in page.asked} >= {"/openapi.json", "/version"}  # type: ignore[attr-defined]
    assert {urlsplit(url).hostname for url in page.asked} == {"127.0.0.1"}  # type: ignore[attr-defined]
    page.close()
