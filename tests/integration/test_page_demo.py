"""The page through a whole demo: open from the moment it answers until the last model serves, and asked."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from demo_process import PATIENCE, Demo
from playwright.sync_api import Browser, Page, expect, sync_playwright
from waiting import until

from asmg.run import answers
from serving import page_library

pytestmark = [
    pytest.mark.integration,
    pytest.mark.browser,
    # The sockets of playwright's own event loop, which it leaves to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

#: Where README's pictures go, if anywhere; a longer run gives better ones.
SHOTS = os.environ.get("ASMG_SCREENSHOTS")
EVENTS = int(os.environ.get("ASMG_SCREENSHOTS_EVENTS", "20000"))
PERIODS = int(os.environ.get("ASMG_SCREENSHOTS_PERIODS", "8"))

#: In how many steps at least what grows is seen to: where the machine is busy, several periods come at once.
STEPS = 4

#: Processes that answer.
WORKERS = 2

#: Rankings a second that are asked for while the demo runs.
ASKED = 30

WIDTHS = {"wide": 1280, "phone": 400}
CHARTS = ("auc", "loss", "lag", "requests", "latency", "drift", "late")

USER, ITEMS = "user-1", [f"item-{number}" for number in (3, 4, 12, 13, 14, 15, 21, 23)]

#: Notes what the page tells whenever it changes; nothing that is there for a moment only is missed. From
#: `load` on: before its style is there nothing is drawn, and what is measured means nothing.
RECORD = """
const told = window.told = [];
const text = (id) => document.getElementById(id)?.textContent ?? "";
const look = () => {
  const root = document.documentElement;
  const now = {
    sentence: text("sentence"),
    newest: Number(document.querySelector("#rows th")?.textContent ?? 0),
    summaries: Object.fromEntries(CHARTS.map((chart) => [chart, text(`${chart}-summary`)])),
    sideways: root.scrollWidth > root.clientWidth,
  };
  if (JSON.stringify(now) !== JSON.stringify(told.at(-1))) told.push(now);
};
addEventListener("load", () => {
  look();
  new MutationObserver(look).observe(document, { childList: true, characterData: true, subtree: true });
});
""".replace("CHARTS", str(list(CHARTS)))


@dataclass
class Watched:
    """A page that was open all the time, what it told one after the other, and what it did."""

    page: Page
    told: list[dict[str, Any]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


class Callers(threading.Thread):
    """Asks for rankings of users of the shop, some a second, each on a connection of its own."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address, self._over = address, threading.Event()
        self.ranked = 0

    def run(self) -> None:
        with httpx.Client(base_url=self._address, headers={"connection": "close"}, timeout=60) as client:
            for number in count():
                if self._over.wait(1 / ASKED):
                    return
                body = {"user_id": f"user-{number % 40}", "candidates": ITEMS}
                self.ranked += client.post("/rank", json=body).status_code == 200

    def end(self) -> None:
        self._over.set()
        self.join()


@dataclass
class Shown:
    """A demo at its end, and the pages on which it was watched."""

    address: str
    pages: dict[str, Watched]
    ranked: int


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    missing = (
        "no chromium on PATH"
        if path is None
        else "the page's libraries are not there: run `make install`"
        if not page_library.present()
        else None
    )
    if missing:
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def shown(browser: Browser, bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    size = ("--events", str(EVENTS), "--periods", str(PERIODS), "--set", f"serving.workers={WORKERS}")
    demo = Demo(tmp_path_factory.mktemp("demo"), *size, "--keep", bootstrap=bootstrap)
    callers = None
    try:
        address = re.findall(r"http://[\d.:]+", demo.read_until("page and API: "))[0]
        until(lambda: answers(urlsplit(address).port or 0))
        pages = {
            "wide": watched(browser, address, "light", WIDTHS["wide"]),
            "phone": watched(browser, address, "dark", WIDTHS["phone"]),
        }
        callers = Callers(address)
        callers.start()
        for one in pages.values():
            until_served(demo, one.page, PERIODS)
        demo.read_until("page and API stay up")
        for one in pages.values():
            one.told = one.page.evaluate("window.told")
        if SHOTS:
            pictures(pages["wide"].page, Path(SHOTS))
        callers.end()
        yield Shown(address, pages, callers.ranked)
    finally:
        if callers is not None:
            callers.end()
        demo.end_at_once()


def watched(browser: Browser, address: str, scheme: Any, width: int) -> Watched:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    one = Watched(page)
    page.on("request", lambda request: one.asked.append(request.url))
    page.on("pageerror", lambda error: one.complaints.append(str(error)))
    page.on("console", lambda said: one.complaints.append(said.text) if said.type == "error" else None)
    page.add_init_script(RECORD)
    page.goto(address)
    return one


def until_served(demo: Demo, page: Page, period: int) -> None:
    """Until the page says that this period's model serves, or a later one's."""

    def serves() -> bool:
        assert demo.process.poll() is None, "\n".join([*demo.said, str(demo.end())])
        return max(periods_of([page.locator("#sentence").inner_text()]), default=0) >= period

    until(serves, PATIENCE * max(EVENTS / 20_000, 1))


def periods_of(sentences: Sequence[str]) -> list[int]:
    """The periods whose models serve, as the sentences tell them."""
    found = (re.match(r"Serving (?:Θ\*?|EMA) of period (\d+)", one) for one in sentences)
    return [int(one[1]) for one in found if one]


def values_of(summary: str) -> int:
    """How many values a chart's description tells that its first line has."""
    found = re.search(r": ([\d,]+) (?:periods|moments), ", summary)
    return int(found[1].replace(",", "")) if found else 0


def ask(page: Page) -> None:
    """Fill in the box and ask."""
    page.locator("#try-user").fill(USER)
    page.locator("#try-items").fill(", ".join(ITEMS))
    page.locator("#try-ask").click()
    expect(page.locator("#try-rows tr")).to_have_count(len(ITEMS))


def pictures(page: Page, folder: Path) -> None:
    """README's two, while it is asked; the window is as high as the page, so its bar covers nothing."""
    ask(page)
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": WIDTHS["wide"], "height": height})
    expect(page.locator("#auc .read")).not_to_contain_text("–")  # the shadow too has scored the last period
    for name, first, last in (("page", ".hero", "#quality"), ("page-serving", "#serving", "#tryit")):
        above, below = page.locator(first).bounding_box(), page.locator(last).bounding_box()
        assert above is not None
        assert below is not None
        top, bottom = above["y"] - 24, below["y"] + below["height"] + 16
        clip: Any = {"x": 0, "y": top, "width": WIDTHS["wide"], "height": bottom - top}
        page.screenshot(path=folder / f"{name}.png", clip=clip, animations="disabled")
    page.set_viewport_size({"width": WIDTHS["wide"], "height": 900})


@pytest.mark.parametrize("where", list(WIDTHS))
def test_the_sentence_goes_from_no_model_to_the_model_of_the_last_period(shown: Shown, where: str) -> None:
    sentences = [one["sentence"] for one in shown.pages[where].told]
    first = next(one for one in sentences if one and not one.startswith("Waiting for the first figures"))
    assert first.startswith("No model yet: ")
    assert re.search(r"waiting for period 1 to close|period \d+ is closed, its model is being made", first)
    served = periods_of(sentences)
    assert served == sorted(served)
    assert served[-1] == PERIODS
    assert len(set(served)) >= STEPS
    assert shown.pages[where].page.locator("#level").get_attribute("data-level") in ("green", "amber")


@pytest.mark.parametrize("where", list(WIDTHS))
@pytest.mark.parametrize("chart", CHARTS)
def test_charts_grow_as_the_demo_goes(shown: Shown, where: str, chart: str) -> None:
    points = [values_of(one["summaries"][chart]) for one in shown.pages[where].told]
    assert points[0] == 0
    assert points == sorted(points)
    assert len(set(points)) >= STEPS
    if chart in ("auc", "loss", "late"):
        assert points[-1] == PERIODS


def test_the_table_of_periods_grows_by_what_closes(shown: Shown) -> None:
    for one in shown.pages.values():
        newest = [told["newest"] for told in one.told]
        assert newest == sorted(newest)
        assert newest[-1] == PERIODS
        assert len(set(newest)) >= STEPS
        expect(one.page.locator("#rows tr")).to_have_count(min(PERIODS, 10))


def test_swaps_are_marked_on_the_lines_over_time(shown: Shown) -> None:
    served = f"{kind_and_version(shown)} at "
    for one in shown.pages.values():
        for chart in ("lag", "requests", "latency"):
            summary = one.page.locator(f"#{chart}-summary")
            expect(summary).to_contain_text(
                re.compile(rf"Marks: \d+, the last: swapped to {re.escape(served)}")
            )


def kind_and_version(shown: Shown) -> str:
    serving = httpx.get(f"{shown.address}/state").json()["serving"]
    assert serving["version"] == PERIODS
    return f"{ {'theta': 'Θ', 'star': 'Θ*', 'ema': 'EMA'}[serving['kind']] } {PERIODS}"


def test_each_process_shows_the_version_that_serves_and_answered_meanwhile(shown: Shown) -> None:
    assert shown.ranked > 0
    for one in shown.pages.values():
        rows = one.page.locator("#processes tr")
        expect(rows).to_have_count(WORKERS)
        expect(one.page.locator("#processes-more")).to_have_text("Each has the model that serves")
        for row in rows.all():
            expect(row.locator(".tag")).to_have_text(kind_and_version(shown))
            expect(row.locator(".n")).not_to_have_text("0")
        expect(one.page.locator("#served")).to_contain_text(f"version {PERIODS}")


@pytest.mark.parametrize("where", list(WIDTHS))
def test_a_user_of_the_demo_is_answered_with_both_models_scores_and_the_history(
    shown: Shown, where: str
) -> None:
    page = shown.pages[where].page
    ask(page)
    body = {"user_id": USER, "candidates": ITEMS, "explain": True}
    answer = httpx.post(f"{shown.address}/rank", json=body).json()
    first, name = ("ema", "EMA") if answer["kind"] == "ema" else ("theta", "Θ")
    expect(page.locator("#try-theta")).to_have_text(re.compile(rf"^{name} {PERIODS}(serves)?$"))
    expect(page.locator("#try-star")).to_have_text(re.compile(rf"^Θ\* {PERIODS}(serves)?$"))
    told = page.locator("#try-rows tr").evaluate_all(
        "all => all.map(row => [...row.querySelectorAll('.item, .score > span:first-child')]"
        ".map(one => one.firstChild.textContent))"
    )
    said = [[one["item_id"], f"{one[first]:.4f}", f"{one['star']:.4f}"] for one in answer["items"]]
    assert told == said
    assert all(one != star for _, one, star in said)
    assert answer["history"]
    expect(page.locator("#try-history-of")).to_have_text(f"History of {USER}, newest first")
    assert page.locator("#try-history li:not(.none)").all_text_contents() == answer["history"][:24]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", list(WIDTHS))
def test_nothing_scrolls_sideways_in_either_scheme(shown: Shown, width: str, scheme: Any) -> None:
    page = shown.pages["wide"].page
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": WIDTHS[width], "height": 900})
    ask(page)
    for chart in CHARTS:
        plot = page.locator(f"#{chart} .plot")
        expect(plot.locator("canvas")).to_be_visible()
        expect(plot).to_have_attribute("aria-describedby", f"{chart}-summary")
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") == (scheme == "dark")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_nothing_scrolled_sideways_nobody_else_was_asked_and_nothing_was_complained_of(shown: Shown) -> None:
    for one in shown.pages.values():
        assert not any(told["sideways"] for told in one.told)
        assert one.complaints == []
        assert {urlsplit(url).hostname for url in one.asked} == {"127.0.0.1"}
