"""What is so now: the sentence of health, and the figures under it."""

from __future__ import annotations

from statistics import median

from rich.table import Table
from rich.text import Text

from asmg.report import FATES
from asmg.screen.figures import KIND, ODD, SOFT, clock, count, model, ms, rate, span, spark
from asmg.seen import Seen
from serving.canary import Arm
from serving.health import NAMES
from serving.state import State

LEVEL = {"green": ("OK", "green"), "amber": ("AMBER", ODD), "red": ("RED", "red")}

#: Fates of events that are told where there are none, too.
ALWAYS = ("used", "late", "dead")

#: Seconds without a new figure of serving's that are worth a word.
STALE = 10.0


def health(seen: Seen) -> Table:
    """Its level, and why: serving's own sentence; where it does not answer, that."""
    heard, grid = seen.heard, Table.grid(padding=(0, 1))
    state, silence = heard.state, heard.silence
    level, sentence = (state.health.level, state.health.sentence) if state else ("red", silence or "")
    word, colour = LEVEL[level]
    grid.add_row(Text(f" {word} ", style=f"bold reverse {colour}"), Text(sentence, style=f"bold {colour}"))
    if state is None:
        grid.add_row("", Text(_before(seen), style=SOFT))
    elif state.now is not None and (old := (seen.at - state.now.at) / 1000) > STALE:
        grid.add_row("", Text(f"Its figures are {span(old)} old: its keeper tells nothing", style=ODD))
    if seen.trouble is not None:
        grid.add_row("", Text(f"Kafka does not tell where windowing is: {seen.trouble}", style=ODD))
    return grid


def facts(seen: Seen, line: int) -> Table:
    """One fact a row: name, value, and over time a line of so many characters."""
    grid = Table.grid(padding=(0, 2), expand=True)
    grid.add_column(style=SOFT, no_wrap=True)
    grid.add_column(ratio=1)
    grid.add_column(justify="right", no_wrap=True)
    state = seen.heard.state
    if state is not None:
        grid.add_row("Serving", _serving(seen, state))
    if fresh := seen.freshness:
        told = f"{span(fresh[-1])} from last event to served, median {span(median(fresh))}"
        grid.add_row("Freshness", told, spark(fresh, line))
    if state is not None:
        _live(grid, state, line)
    _periods(grid, seen, line)
    if state is not None and state.canary is not None:
        share, (champion, challenger) = state.canary.share, state.canary.arms
        grid.add_row("Canary", _arm(challenger, share))
        grid.add_row("", _arm(champion, 1 - share))
    return grid


def _before(seen: Seen) -> str:
    heard = seen.heard
    if heard.before is None:
        return "Below is what Kafka tells"
    served = heard.before.serving
    what = f", with {NAMES[served.kind]} {served.version}" if served else ""
    return f"It last did at {clock(heard.before_at)}{what}; below is what Kafka tells"


def _serving(seen: Seen, state: State) -> Text:
    serving, taken = state.serving, state.taken
    if serving is None:
        return Text("no model yet", style=ODD)
    told = model(serving.kind, serving.version)
    if taken is not None:
        ago = span(max(seen.at - taken.at, 0) / 1000)
        told.append(f", last swap {clock(taken.at)}, {ago} ago", style="default")
    row = next((one for one in reversed(seen.rows) if one.period == serving.period), None)
    if row is not None and row.seconds.swap is not None:
        told.append(f", took {span(row.seconds.swap)}", style="default")
    return told


def _live(grid: Table, state: State, line: int) -> None:
    asked, moments = state.requests, state.moments
    grid.add_row(
        "Events",
        f"{rate(state.events.per_second)}/s, {state.events.total:,} records in all",
        spark([one.events_per_second for one in moments], line),
    )
    told = Text(f"{rate(asked.per_second)}/s, {asked.total:,} in all")
    if asked.refused:
        told.append(f", {asked.refused:,} refused (429)", style=ODD)
    grid.add_row("Requests", told, spark([one.requests_per_second for one in moments], line))
    grid.add_row(
        "Latency",
        f"p50 {ms(asked.p50_ms)} ms, p99 {ms(asked.p99_ms)} ms",
        spark([one.p99_ms for one in moments], line),
    )


def _periods(grid: Table, seen: Seen, line: int) -> None:
    drifts = [row.drift for row in seen.rows if row.drift]
    if drifts:
        distance, new = drifts[-1].distance, 100 * drifts[-1].new_items
        told = f"{distance:.3f} from period to period, {new:.1f} % on new items"
        grid.add_row("Drift", told, spark([one.distance for one in drifts], line))
    if seen.rows:
        counts = seen.counts
        fates = ", ".join(f"{counts[fate]:,} {fate}" for fate in FATES if counts[fate] or fate in ALWAYS)
        grid.add_row("Fates", f"{counts['produced']:,} events: {fates}")
    decided = next((row for row in reversed(seen.rows) if row.word), None)
    if decided is not None and decided.word is not None:
        word = model(decided.word.kind, decided.word.version)
        grid.add_row("Gate", word.append(f": {decided.gate}", style="default"))


def _arm(arm: Arm, share: float) -> Text:
    """One of both models: its share of users, and how what it has shown went."""
    shown = f"{count(arm.impressions)} shown"
    clicked = "" if arm.click_through is None else f", {100 * arm.click_through:.2f} % clicked"
    loss = "" if arm.logloss is None else f", LogLoss {arm.logloss:.4f}"
    told = Text(NAMES[arm.kind], style=KIND[arm.kind])
    return told.append(f" {100 * share:.3g} %: {shown}{clicked}{loss}", style="default")
