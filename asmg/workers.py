"""The workers as commands: each is one process that is given a place to work, and ends when it is told to."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from asmg.broker import attached, require_answer
from asmg.config import Settings
from asmg.environment import SUPERVISED
from stream import kafka, log, traces
from stream.metrics import metrics_on
from stream.signals import stop_on_signals
from stream.store import Store, TieredStore, durable_store
from stream.topics import Topics

if TYPE_CHECKING:  # these load what most workers need not wait for, torch first of all
    from stream.replay import Source
    from trainer.kafka import Workplace

#: Seconds a worker whose supervisor died may take to stop by itself; to be cut off harms nothing.
GRACE = 5.0

#: Samples a period is taken to have where only time closes it, to tell how far a replay may run ahead.
USUAL_PERIOD = 40_000


def run_replay(settings: Settings, source: Source, speed: float, pace: str, metrics_port: int) -> int:
    """Send the source, paced or not; how many events were sent. Raises: AsmgError."""
    from stream.replay.progress import Bar
    from stream.replay.worker import Plan, Trained, replay

    stop = stop_event("replay")
    stream, metrics = settings.stream, metrics_on(metrics_port, "--metrics-port")
    with (
        metrics if metrics_port else nullcontext(),
        _topics(settings) as (broker, topics),
        Bar(source.name) as bar,
    ):
        plan = Plan(topics.events, stream.lateness, stream.window, speed)
        if pace == "max":
            return replay(source, broker, plan, stop=stop, on_progress=bar)
        trained = Trained(
            source,
            broker,
            samples=topics.samples,
            periods=topics.periods,
            serve=topics.serve,
            lateness=stream.lateness,
            ahead=max((stream.period_count or USUAL_PERIOD) // 4, 1),
        )
        try:
            return replay(source, broker, plan, stop=stop, may_send=trained, on_progress=bar)
        finally:
            trained.close()


def run_ingest(settings: Settings) -> None:
    """Bring one's own topics into `events`. Raises: AsmgError."""
    from stream.ingest.source import by_topic
    from stream.ingest.worker import ingest

    by_topic(settings.ingest)  # before a Kafka is started for nothing
    stop = stop_event("ingest")
    with _topics(settings) as (broker, topics):
        ingest(broker, topics, settings.ingest, settings.stream, stop)


def run_window(settings: Settings) -> None:
    """Join events to samples, and close periods. Raises: AsmgError."""
    from stream.window.worker import window

    stop = stop_event("window")
    traces.set_up("window")
    with _topics(settings) as (broker, topics):
        window(broker, topics, durable_of(settings), settings.stream, stop)


def run_warmup(settings: Settings, history: Source | Topics, periods: int | None, *, as_json: bool) -> int:
    """Learn history offline, for the live loop to go on from; 0, or 1 when stopped. Raises: AsmgError.

    history: a data set, or the topics whose archive is meant.
    """
    from rich.console import Console

    from asmg.warmup import said, warm_up
    from stream.history.archived import Archive
    from stream.history.steps import until_its_end

    stop, console = stop_event("warmup"), Console(stderr=True)
    if console.is_terminal:
        logging.getLogger().setLevel(logging.WARNING)  # the bars say as much
    durable = durable_of(settings)
    with _workplace(settings) as place:
        if isinstance(history, Topics):
            steps, name = Archive.of(place.kafka, history, durable).until_its_end(), history.archive
        else:
            steps, name = until_its_end(history), history.name
        found = warm_up(place, durable, settings, steps, periods, stop, console)
    if found is None:
        sys.stderr.write("asmg: stopped; the same command goes on from here\n")
        return 1
    print(json.dumps({"history": name, **found}) if as_json else said(found))
    return 0


def run_archive(settings: Settings) -> None:
    """Put the samples of every period into the store. Raises: AsmgError."""
    from stream.archive.worker import archive

    stop = stop_event("archive")
    with _topics(settings) as (broker, topics):
        archive(broker, topics, durable_of(settings), settings.stream.archive_metrics_port, stop)


def run_train(settings: Settings) -> None:
    """Take Θ from period to period. Raises: AsmgError."""
    from trainer.worker import train

    stop = stop_event("train")
    traces.set_up("train")
    with _workplace(settings) as place:
        train(place, settings.trainer, stop)


def run_metagen(settings: Settings) -> None:
    """Train the generator, generate Θ*, decide what serves. Raises: AsmgError."""
    from metagen.worker import generate

    stop = stop_event("metagen")
    traces.set_up("metagen")
    with _workplace(settings) as place:
        generate(place, settings.trainer, settings.metagen, stop)


def run_shadow(settings: Settings) -> None:
    """Run the shadows beside what serves. Raises: AsmgError."""
    from metagen.shadow import shadow

    stop = stop_event("shadow")
    with _workplace(settings) as place:
        shadow(place, settings.trainer, settings.metagen, stop)


def run_serve(settings: Settings) -> None:
    """Answer over HTTP with what the gate says. Raises: AsmgError."""
    from serving.certificate import require_startable

    require_startable(settings.serving)  # before a Kafka is started or waited for, and before torch is loaded
    from serving.worker import serve

    stop = stop_event("serve")
    traces.set_up("serve")
    with _workplace(settings) as place:
        serve(place, settings.stream, settings.trainer, settings.serving, stop)


def run_live(settings: Settings) -> None:
    """Show what the stream has been like lately. Raises: AsmgError."""
    from stream.live.app import live

    stop = stop_event("live")
    with _topics(settings) as (broker, topics):
        live(broker, topics, settings.stream, settings.live, stop)


def store_of(settings: Settings) -> Store:
    """Where models lie: the durable store, behind Redis if `redis.url` is set. Raises: ConfigurationError."""
    durable = durable_of(settings)
    if not settings.redis.url.get_secret_value():
        return durable
    from stream.store.redis import RedisStore  # its library loads asyncio, for which nobody else need wait

    return TieredStore(RedisStore(settings.redis), durable)


def durable_of(settings: Settings) -> Store:
    """Where models and checkpoints lie durably: `store.folder`, by default `store` in the home.

    Checkpoints lie here alone: they change every few seconds, are read after a death only, and would push
    models out of Redis. Raises: ConfigurationError.
    """
    return durable_store(settings.store.folder or str(settings.home / "store"))


def stop_event(worker: str) -> threading.Event:
    """Set by SIGTERM, by SIGINT, and by the end of the supervisor; logging is set up under the name."""
    log.set_up(worker)
    stop = stop_on_signals()
    if os.environ.get(SUPERVISED):
        threading.Thread(target=_stop_with_supervisor, args=(stop,), daemon=True).start()
    return stop


def _stop_with_supervisor(stop: threading.Event) -> None:
    os.read(0, 1)  # a supervisor writes nothing: this returns when it is gone
    stop.set()
    time.sleep(GRACE)
    sys.stderr.write("asmg: the supervisor is gone and the work at hand does not end; ending without it\n")
    os._exit(1)


@contextmanager
def _topics(settings: Settings) -> Iterator[tuple[dict[str, object], Topics]]:
    with attached(settings.kafka, settings.home) as broker:
        require_answer(broker)
        yield broker, kafka.ensure_topics(broker, settings.kafka, settings.stream.partitions)


@contextmanager
def _workplace(settings: Settings) -> Iterator[Workplace]:
    from stream.close.read import PeriodReader
    from trainer.kafka import Workplace

    with _topics(settings) as (broker, topics):
        store = store_of(settings)
        yield Workplace(
            kafka=broker,
            topics=topics,
            store=store,
            read=PeriodReader(broker, topics, store),
            seed=settings.stream.seed,
        )
