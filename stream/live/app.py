"""The live view: a Faust app that counts what the stream was like lately, shown as Prometheus metrics.

It decides nothing and writes nothing, so at-least-once is enough, and what it shows is the last minutes:
it keeps them in memory, without tables (each write to one is a record in a changelog).

| dies     | found at the next start                              | then                  |
|----------|------------------------------------------------------|-----------------------|
| the view | the last minutes of `events`, the chain of `periods` | the same view again   |
| Kafka    | the place in each partition, in memory               | it goes on from there |
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

import faust
from prometheus_client import REGISTRY

from stream.close.read import PeriodReader
from stream.errors import BrokerError
from stream.live.connection import Connection, connection
from stream.live.metrics import Board
from stream.live.reader import Places, begin, reader
from stream.live.recent import Recent
from stream.live.watch import Watch
from stream.metrics import metrics_on
from stream.records import now
from stream.settings import LiveSettings, StreamSettings
from stream.topics import Topics

_log = logging.getLogger(__name__)

#: What Faust and those it stands on may say: aiokafka has 40 errors/s to tell of a Kafka that is away.
NOISY = {"aiokafka": logging.CRITICAL, "faust": logging.ERROR, "mode": logging.ERROR}

#: How often what is shown is renewed, in seconds.
RENEWED = 0.5

#: How long Faust may take to leave Kafka, in seconds; to be cut off harms nothing.
LEAVING = 3.0


def live(
    broker: Mapping[str, object],
    topics: Topics,
    stream: StreamSettings,
    settings: LiveSettings,
    stop: threading.Event,
) -> None:
    """Show the view until `stop` is set.

    Raises: ConfigurationError: Faust cannot be told what Kafka's options say. BrokerError: Kafka fails.
    """
    for name, level in NOISY.items():
        logging.getLogger(name).setLevel(level)
    to, board = connection(broker), Board()
    places = begin(broker, topics, stream.partitions, now() - max(settings.span, settings.rates_over))
    read = PeriodReader(broker, topics)
    with contextlib.closing(read), metrics_on(settings.metrics_port, "live.metrics_port"):
        REGISTRY.register(board)
        hook, threading.excepthook = threading.excepthook, _in_one_line
        try:
            asyncio.run(_run(to, topics, Recent(settings, stream.max_skew), places, read, board, stop))
        finally:
            threading.excepthook = hook
            REGISTRY.unregister(board)


async def _run(
    to: Connection, topics: Topics, recent: Recent, places: Places, read: PeriodReader, board: Board,
    stop: threading.Event,
) -> None:  # fmt: skip
    """Let the app read, and renew what is shown. Raises: BrokerError: the app failed."""
    with tempfile.TemporaryDirectory(prefix="asmg-live-") as folder:  # else Faust takes the working directory
        app = reader(to, topics.prefix, places, Path(folder))
        await _show(app, topics, recent, places, read, board, stop)


async def _show(
    app: faust.App, topics: Topics, recent: Recent, places: Places, read: PeriodReader, board: Board,
    stop: threading.Event,
) -> None:  # fmt: skip
    watch = Watch(app, topics, recent, places, read)
    await app.start()
    try:
        while not stop.is_set():
            if app.crashed:
                raise BrokerError(f"the live view can read no more: {app.crash_reason!r}; is Kafka running?")
            watch.compare()
            board.view = watch.view()
            await asyncio.sleep(RENEWED)
    finally:
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # of tasks that leaving cuts off
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(app.stop(), LEAVING)


def _in_one_line(args: threading.ExceptHookArgs) -> None:
    """What ends a thread of Faust's; one that ends while it is needed makes the app crash, and us with it."""
    _log.warning("Faust could not leave Kafka properly: %r", args.exc_value)
