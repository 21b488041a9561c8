"""Serving: follows `serve`, swaps models between requests, and answers over HTTP.

One loop follows words and swaps; the API, histories and impressions each have a thread. Nothing is kept: a
restart reads the topics again and serves the newest word. Stopping goes in the order in which one thing needs
another: the API answers what it has begun, then what it logged is written, then following ends.
"""

from __future__ import annotations

import logging
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import uvicorn
from prometheus_client import start_http_server

from serving import metrics
from serving.api import create_app
from serving.feed import Feed
from serving.health import health
from serving.histories import Histories
from serving.impressions import ImpressionLog
from serving.service import Service
from serving.settings import ServingSettings, require_loopback
from serving.state import LISTED, State, describe
from serving.succession import Succession
from stream.errors import AsmgError, ConfigurationError
from stream.kafka import GLANCE, Follower
from stream.records import now
from stream.settings import StreamSettings
from trainer.device import choose_device
from trainer.kafka import Workplace
from trainer.settings import TrainerSettings

#: Seconds that requests in flight are given when serving ends.
GRACE = 5
#: Seconds between two states.
EVERY = 0.25
#: Seconds after which a thread that loads hands the interpreter over. Each operation of torch asks for it
#: anew, so a ranking waits many times while a model is read. Seen on two busy cores where models were loaded
#: without a pause, four runs each: p99 61-111 ms with Python's 5 ms, 38-76 ms with this.
TURN = 0.0002

_log = logging.getLogger(__name__)


def serve(
    place: Workplace,
    stream: StreamSettings,
    trainer: TrainerSettings,
    settings: ServingSettings,
    stop: threading.Event,
) -> None:
    """Answer until `stop` is set; from any thread.

    Raises: ConfigurationError: the address is not this machine's own, or taken. AsmgError: Kafka fails.
    """
    require_loopback(settings.host)
    choose_device("cpu", settings.threads)
    sys.setswitchinterval(TURN)
    topics, histories = place.topics, Histories()
    with ExitStack() as stack:
        listener = stack.enter_context(_bound(settings))
        prometheus, _ = start_http_server(settings.metrics_port, "127.0.0.1")
        stack.callback(prometheus.server_close)
        stack.callback(prometheus.shutdown)
        feed = Feed(place.kafka, topics, stream, histories, with_time=settings.clock == "stream")
        feeding = stack.enter_context(_Job("feed", feed.run))
        impressions = ImpressionLog(place.kafka, topics.events, stream.partitions)
        stack.callback(impressions.close)
        service = Service(settings, histories, impressions, now if settings.clock == "wall" else feed.now)
        succession = Succession(service, place.store, topics, trainer, place.seed, now)
        follower = Follower(place.kafka, succession.announced.followed)
        stack.callback(follower.close)
        api = stack.enter_context(_Api(service, listener))

        ready, published = False, 0.0
        while not stop.is_set():
            feeding.raise_if_failed()
            api.raise_if_ended()
            for message in follower.poll(GLANCE):
                succession.take(message.topic(), message.value())
            if ready or follower.caught_up:
                succession.step(awaited=ready)
                ready = True
            if time.monotonic() - published >= EVERY:
                service.state = _state(service, succession, feed)
                published = time.monotonic()


def _state(service: Service, succession: Succession, feed: Feed) -> State:
    rows, served = succession.rows(), service.served
    manifests, last = succession.announced.manifests, service.state.periods
    counts, busy = describe(manifests[-1] if manifests else None)
    serving = served.standing if served else None
    listed = rows[-LISTED:]
    metrics.UNREADABLE.set(succession.announced.unreadable + service.histories.unreadable)
    return State(
        serving=serving,
        health=health(serving, succession.words.current, rows, succession.refused),
        periods=last if listed == last else listed,
        counts=counts,
        busy_seconds=busy,
        events=feed.events,
        requests=service.latencies.summary(),
    )


class _Job:
    """A thread that runs while the context lasts; its failure is raised where it is asked for."""

    def __init__(self, name: str, run: Callable[[threading.Event], None]) -> None:
        self._run, self._stop = run, threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._guarded, name=name, daemon=True)

    def __enter__(self) -> _Job:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def raise_if_failed(self) -> None:
        """Raises: what ended the thread."""
        if self._error is not None:
            raise self._error

    def _guarded(self) -> None:
        try:
            self._run(self._stop)
        except BaseException as error:
            self._error = error


class _Api:
    """uvicorn in a thread, where it leaves signals alone; ends once what it has begun is answered."""

    def __init__(self, service: Service, listener: socket.socket) -> None:
        self._service, self._listener = service, listener
        config = uvicorn.Config(
            create_app(service),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=GRACE,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="api", daemon=True)

    def __enter__(self) -> _Api:
        self._thread.start()
        host, port = self._listener.getsockname()[:2]
        _log.info("serving on http://%s:%d", host, port)
        if file := self._service.settings.port_file:
            file.write_text(f"{port}\n")
        return self

    def raise_if_ended(self) -> None:
        """Raises: AsmgError: nobody answers any more."""
        if not self._thread.is_alive():
            raise AsmgError("the API has ended by itself; see what stands above")

    def __exit__(self, *_: object) -> None:
        self._service.closing = True
        self._server.should_exit = True
        self._thread.join()


def _bound(settings: ServingSettings) -> socket.socket:
    """A socket that listens already: callers wait in its queue until the API runs."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Named TCP, or asyncio leaves Nagle's algorithm on and every answer waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"serving cannot listen on {settings.host}:{settings.port}: {error.strerror or error}; "
            "set serving.port to a free one, or 0 for any"
        ) from error
    return listener
