"""What an operator sees: the page's sentence of health, in a browser, while things go wrong."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from serving_process import Serving, serving_of, shop_on

from bench.serving.models import Shop
from stream.broker.embedded import EmbeddedKafka
from stream.errors import BrokerError
from stream.records import Serve

pytestmark = [
    pytest.mark.integration,
    pytest.mark.browser,
    # The sockets of playwright's own event loop, which it leaves to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

#: ms that a sentence may take to come.
PATIENCE = 60_000


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A Kafka that may be killed."""
    try:
        kafka = EmbeddedKafka(tmp_path / "kafka").start()
    except BrokerError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    yield kafka
    if kafka.pid is not None:
        kafka.stop()


@pytest.fixture
def shop(broker: EmbeddedKafka, tmp_path: Path) -> Shop:
    return shop_on(broker.bootstrap, tmp_path)


@pytest.fixture
def serving(shop: Shop, broker: EmbeddedKafka, tmp_path: Path) -> Iterator[Serving]:
    with serving_of(shop, broker.bootstrap, tmp_path) as serving:
        yield serving


@pytest.fixture
def page(serving: Serving) -> Iterator[Page]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("no chromium on PATH")
        pytest.skip("no chromium on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(serving.address)
        yield page
        browser.close()


def says(page: Page, level: str, sentence: str) -> None:
    expect(page.locator("#sentence")).to_contain_text(sentence, timeout=PATIENCE)
    expect(page.locator("#level")).to_have_attribute("data-level", level, timeout=PATIENCE)


def hung(broker: EmbeddedKafka) -> tuple[Callable[[], None], Callable[[], None]]:
    """What has a Kafka take questions and not answer, and what has it answer again."""
    return (
        lambda: os.kill(broker.pid or 0, signal.SIGSTOP),
        lambda: os.kill(broker.pid or 0, signal.SIGCONT),
    )


def test_the_sentence_follows_a_refusal_a_damaged_model_a_rollback_and_a_dead_kafka(
    shop: Shop, serving: Serving, page: Page, broker: EmbeddedKafka
) -> None:
    says(page, "red", "No model yet: waiting for period 1 to close")
    shop.next()
    says(page, "green", "Serving Θ* of period 1")
    shop.next()
    says(page, "green", "Serving Θ* of period 2")

    why = "the generated model is refused: it gives scores that are not finite"
    shop.next("theta", why)
    says(page, "amber", "Serving Θ of period 3, ")
    says(page, "amber", f"the gate keeps Θ ({why})")

    shop.say(Serve(period=3, kind="star", version=1, reason="clicks fell", held_by="ada"))
    says(page, "amber", "Serving Θ* of period 1, held by ada: clicks fell")
    shop.say(Serve(period=3, kind="theta", version=3, reason="", held_by="ada", release=True))
    says(page, "amber", "Serving Θ of period 3")

    damaged = shop.parts_of(shop.version + 1, "star")["item"]
    path = shop.store.folder / damaged[:2] / f"{damaged}.parquet"  # type: ignore[attr-defined]
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    shop.next()
    says(page, "amber", "Serving Θ of period 3, ")
    says(page, "amber", "since Θ* of period 4 was refused: ")
    path.write_bytes(whole)
    says(page, "green", "Serving Θ* of period 4")

    for away, back in ((broker.kill, broker.start), hung(broker)):
        away()
        says(page, "amber", "Kafka has not answered for")
        says(page, "amber", "Serving Θ* of period 4")
        back()
        says(page, "green", "Serving Θ* of period 4")
    shop.next()
    says(page, "green", "Serving Θ* of period 5")
