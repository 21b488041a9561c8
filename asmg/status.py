"""How far the loop has come and how it does, once or again and again: what the page shows, in a terminal.

Serving is asked for what the page shows. What Kafka tells is shown whether or not serving answers.
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import replace

from confluent_kafka import Consumer
from rich.console import Console
from rich.live import Live

from asmg import report
from asmg.config import Settings
from asmg.hearing import Heard, Hearing
from asmg.running import running
from asmg.screen.layout import Screen
from asmg.seen import Seen, described
from asmg.stages import Stages
from asmg.watch import Watch
from stream.errors import BrokerError
from stream.positions import positions
from stream.records import now
from stream.topics import Topics

#: How often a watched status is drawn anew, in seconds.
EVERY = 1.0


def status(settings: Settings, *, as_json: bool, watched: bool) -> None:
    """Print it, once or, a second apart, until Ctrl-C. Raises: AsmgError."""
    console = report.console()
    with (
        running(settings) as (found, broker, topics, client),
        Watch(broker, topics) as watch,
        contextlib.suppress(KeyboardInterrupt),
    ):
        watch.catch_up()
        looks = Looks(watch, Hearing(found), client, topics)
        if watched and not as_json and console.is_terminal:
            _draw_anew(looks, console)
        _print(looks.first(), console, as_json=as_json)
        while watched:
            time.sleep(EVERY)
            _print(looks.next(), console, as_json=as_json)


class Looks:
    """Looks at Kafka and at serving, again and again."""

    def __init__(self, watch: Watch, hearing: Hearing, client: Consumer, topics: Topics) -> None:
        self._watch, self._hearing, self._client, self._topics = watch, hearing, client, topics
        self._waiting = 0  # records of `events` that windowing has not taken, when that was last known

    def first(self) -> Seen:
        """The loop now. Raises: BrokerError, CorruptRecord."""
        self._waiting = self._waiting_now()
        return self._seen(self._hear())

    def next(self) -> Seen:
        """The loop now; of a Kafka that does not answer it is told, and it is asked again the next time.

        While serving tells where windowing is, Kafka is not asked for it: its last batches are read for that.
        """
        self._watch.look()
        heard, trouble = self._hear(), None
        try:
            self._waiting = heard.state.lag.window if heard.state else self._waiting_now()
        except BrokerError as error:
            trouble = str(error)
        return self._seen(heard, trouble)

    def _waiting_now(self) -> int:
        return sum(position.waiting for position in positions(self._client, self._topics).values())

    def _hear(self) -> Heard:
        closed_at = {one.period: one.closed_at for one in self._watch.announced.manifests}
        heard = self._hearing.ask(closed_at)
        if heard.state is not None:
            self._watch.hear(heard.state)
        return heard

    def _seen(self, heard: Heard, trouble: str | None = None) -> Seen:
        watch = self._watch
        return Seen(
            at=now(),
            prefix=self._topics.prefix,
            stages=replace(Stages.of(watch.announced, {}), windowing_lag=self._waiting),
            rows=watch.rows,
            last=watch.last,
            heard=heard,
            trouble=trouble,
        )


def _draw_anew(looks: Looks, console: Console) -> None:
    """Until Ctrl-C, on a screen of its own; what was seen last stays in the terminal."""
    seen = looks.first()
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(Screen(seen, fits=True), refresh=True)
                time.sleep(EVERY)
                seen = looks.next()
    except KeyboardInterrupt:
        console.print(Screen(seen))
        raise


def _print(seen: Seen, console: Console, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(described(seen)), flush=True)
    else:
        console.print(Screen(seen))
