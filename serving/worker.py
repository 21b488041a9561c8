"""Serving's keeper: follows `serve`, gives models to the processes that answer, and tells how all of it is.

Requests never wait for what happens here: the processes that answer (serving/answerer.py) share one listening
socket, and a model is verified and laid out in shared memory before any of them hears of it. Nothing is kept:
a restart reads the topics again and serves the newest word. The keeper loads no torch.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from contextlib import ExitStack

from serving import metrics
from serving.board import Row
from serving.canary import Canary
from serving.certificate import require_startable
from serving.channel import Report, begin
from serving.clicks import Clicks
from serving.crew import Crew
from serving.health import NAMES, Standing, health
from serving.intake import Intake
from serving.moments import KEPT, Moments, thinned
from serving.settings import ServingSettings, is_loopback
from serving.state import NOTHING, Lag, Moment, State, Taken, describe
from serving.succession import Succession
from serving.tally import Sums
from serving.telling import Teller
from stream.errors import ConfigurationError
from stream.kafka import GLANCE, Follower
from stream.metrics import metrics_on
from stream.records import now
from stream.settings import StreamSettings
from trainer.kafka import Workplace
from trainer.settings import TrainerSettings

#: Seconds between two states.
EVERY = 0.25
#: Seconds a port may still be held by the processes of a keeper that died.
HELD = 3.0

_log = logging.getLogger(__name__)


def serve(
    place: Workplace,
    stream: StreamSettings,
    trainer: TrainerSettings,
    settings: ServingSettings,
    stop: threading.Event,
) -> None:
    """Answer until `stop` is set; from any thread.

    Raises: ConfigurationError: others can reach the address and no token is set, or it is taken, or the
    certificate cannot be used. AsmgError: Kafka fails.
    """
    require_startable(settings)
    if settings.cert_file is None and not is_loopback(settings.host):
        _log.warning(
            "tokens come without TLS: set serving.cert_file, or have a proxy that speaks it before this"
        )
    with ExitStack() as stack:
        listener = stack.enter_context(_bound(settings))
        stack.enter_context(metrics_on(settings.metrics_port, "serving.metrics_port"))
        sums = Sums()

        def take(report: Report) -> None:
            sums.add(report.statuses, report.seconds)
            _count(report)

        told = begin(dict(place.kafka), place.topics, place.seed, stream, trainer, settings)
        crew = stack.enter_context(Crew(told, listener, settings.workers, take))
        succession = Succession(crew, place.store, place.topics, trainer, now)
        follower = Follower(place.kafka, succession.announced.followed)
        stack.callback(follower.close)
        intake = stack.enter_context(Intake(place.kafka, place.topics, stream.partitions))
        clicks = None
        if settings.canary > 0:
            clicks = stack.enter_context(Clicks(place.kafka, place.topics, stream.partitions, settings))
        picture, teller = _Picture(crew, succession, intake, sums, clicks), Teller()

        answering, ready, shown = False, False, 0.0
        while not stop.is_set():
            crew.tend()
            if crew.answers and not answering:
                answering = True
                _tell_where(listener, settings)
            for message in follower.poll(GLANCE):
                succession.take(message.topic(), message.value())
            if crew.answers and (ready or follower.caught_up):
                succession.step(awaited=ready)
                ready = True
            if time.monotonic() - shown >= EVERY:
                crew.show(teller.tell(picture.now()))
                shown = time.monotonic()
            elif crew.explains or clicks is not None:
                succession.compare(answers=clicks is not None)


def _tell_where(listener: socket.socket, settings: ServingSettings) -> None:
    host, port = listener.getsockname()[:2]
    _log.info("serving on %s://%s:%d", "https" if settings.cert_file else "http", host, port)
    if settings.port_file:
        settings.port_file.write_text(f"{port}\n")


class _Picture:
    """The state, drawn anew again and again."""

    def __init__(
        self, crew: Crew, succession: Succession, intake: Intake, sums: Sums, clicks: Clicks | None
    ) -> None:
        self._crew, self._succession, self._intake, self._sums = crew, succession, intake, sums
        self._clicks = clicks
        self._moments = Moments()
        self._last = NOTHING
        self._rows, self._listed = list[Row](), list[Row]()

    def now(self) -> State:
        """All that page and API tell."""
        succession, crew = self._succession, self._crew
        rows, serving = succession.rows(), crew.standing
        manifests = succession.announced.manifests
        counts, busy = describe(manifests[-1] if manifests else None)
        if rows is not self._rows:
            self._rows, self._listed = rows, thinned(rows, KEPT)
        if serving is not None and (self._last.serving is None or serving.since != self._last.serving.since):
            self._moments.mark(Taken(serving.since, serving.kind, serving.version))
        lag = self._lag()
        if self._intake.look():
            self._moments.add(self._moment(lag))
        moments = self._moments
        word, silent = succession.words.current, self._intake.silent
        canary = None
        if self._clicks is not None and not (serving is not None and serving.held):
            canary = self._clicks.canary(serving.kind if serving else None)
        self._last = State(
            serving=serving,
            health=health(serving, word, rows, succession.refused, silent, canary),
            periods=self._listed,
            counts=counts,
            busy_seconds=busy,
            events=self._intake.events,
            requests=self._sums.requests(),
            processes=crew.processes,
            lag=lag,
            now=moments.all[-1] if moments.all else None,
            taken=moments.swaps[-1] if moments.swaps else None,
            moments=moments.all,
            swaps=moments.swaps,
            canary=canary,
        )
        metrics.UNREADABLE.set(succession.announced.unreadable + crew.unreadable)
        metrics.HISTORIES_BEHIND.set(lag.histories)
        metrics.PROCESSES.set(len(crew.processes))
        _show(serving, rows)
        if canary is not None:
            _measure(canary)
        return self._last

    def _lag(self) -> Lag:
        announced, word = self._succession.announced, self._succession.words.current
        closed = max(len(announced.manifests) - 1, 0)
        serving = self._crew.standing
        follows = word is None or (serving is not None and serving.follows(word))
        return Lag(
            window=self._intake.waiting,
            train=closed - announced.last_theta(),
            generate=closed - announced.last_decided(),
            serve=0 if follows else 1,
            histories=self._crew.histories_behind,
        )

    def _moment(self, lag: Lag) -> Moment:
        lately = self._sums.requests(window=1.0)
        return Moment(
            at=now(),
            events_per_second=self._intake.events.per_second,
            requests_per_second=lately.per_second,
            p50_ms=lately.p50_ms,
            p99_ms=lately.p99_ms,
            lag=lag,
        )


def _count(report: Report) -> None:
    for status, requests in report.statuses.items():
        metrics.REQUESTS.labels(str(status)).inc(requests)
    for seconds in report.seconds:
        metrics.LATENCY.observe(seconds)
    metrics.UNKNOWN_USERS.inc(report.unknown_users)
    metrics.UNKNOWN_ITEMS.inc(report.unknown_items)
    metrics.IMPRESSIONS.inc(report.impressions)
    metrics.IMPRESSIONS_LOST.inc(report.impressions_lost)
    metrics.HISTORIES.set(report.histories)


def _show(serving: Standing | None, rows: list[Row]) -> None:
    if serving is None:
        return
    for kind in NAMES:
        metrics.SERVES.labels(kind).set(serving.kind == kind)
    row = next((one for one in reversed(rows) if one.period == serving.period), None)
    if row is not None and row.freshness_seconds is not None:
        metrics.FRESHNESS.set(row.freshness_seconds)


def _measure(canary: Canary) -> None:
    for arm in canary.arms:
        metrics.CANARY_IMPRESSIONS.labels(arm.kind).set(arm.impressions)
        if arm.click_through is not None and arm.logloss is not None:
            metrics.CANARY_CLICK_THROUGH.labels(arm.kind).set(arm.click_through)
            metrics.CANARY_LOGLOSS.labels(arm.kind).set(arm.logloss)


def _bound(settings: ServingSettings) -> socket.socket:
    """A socket that listens already: callers wait in its queue until requests are answered."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Named TCP, or asyncio leaves Nagle's algorithm on and every answer waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    deadline = time.monotonic() + HELD
    while True:
        try:
            listener.bind((settings.host, settings.port))
            listener.listen(512)
            return listener
        except OSError as error:
            if time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            listener.close()
            raise ConfigurationError(
                f"serving cannot listen on {settings.host}:{settings.port}: {error.strerror or error}; "
                "set serving.port to a free one, or 0 for any"
            ) from error
