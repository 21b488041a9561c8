"""The bar of a replay."""

import io

from rich.console import Console

from stream.replay.progress import Bar


def test_on_a_terminal_the_bar_shows_rows_and_rate() -> None:
    screen = io.StringIO()
    with Bar("shop", Console(file=screen, force_terminal=True, width=120)) as bar:
        bar(50, 200, 12_345.6)
    assert "replay shop" in screen.getvalue()
    assert "50/200" in screen.getvalue()
    assert "12,346 events/s" in screen.getvalue()


def test_elsewhere_it_shows_nothing() -> None:
    screen = io.StringIO()
    with Bar("shop", Console(file=screen)) as bar:
        bar(50, 200, 12_345.6)
    assert screen.getvalue() == ""
