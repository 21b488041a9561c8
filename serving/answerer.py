"""A process that answers: `python -m serving.answerer CHANNEL LISTENER`, started by serving/crew.py.

The main thread takes what the keeper tells, opens models and reports; the API, histories and impressions each
have a thread. When the keeper is gone, however it ended, this process answers what it has begun and ends.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
import threading
import time
from contextlib import ExitStack
from functools import partial
from typing import Any

import uvicorn
from msgspec.structs import replace

from serving.api import create_app
from serving.certificate import Certificate
from serving.channel import (
    GRACE,
    Beat,
    Begin,
    Beside,
    Channel,
    Closed,
    Drain,
    Forget,
    Left,
    Open,
    Prepare,
    Ready,
    Refused,
    Report,
    Show,
    Switch,
    Told,
    Up,
)
from serving.connection import Connection
from serving.feed import Feed
from serving.histories import Histories
from serving.impressions import ImpressionLog
from serving.job import Job
from serving.opening import Opened, Opener
from serving.service import Other, Served, Service
from serving.settings import ServingSettings
from stream import log
from stream.errors import AsmgError
from stream.niceness import ACCOMPANIES, thread_stands_back
from stream.records import now
from stream.settings import StreamSettings
from stream.topics import Topics
from trainer.settings import TrainerSettings

#: Seconds between two reports.
EVERY = 0.25
#: Seconds after which a thread that opens a model or takes histories hands the interpreter over. Each
#: operation of numpy asks for it anew, so that a request would wait many times 5 ms, which is Python's own.
TURN = 0.0002


def answer(channel: Channel, listener: socket.socket) -> None:
    """Answer until the keeper says to end, or is gone. Raises: AsmgError: Kafka refuses to be read."""
    begin, _ = channel.told()
    assert isinstance(begin, Begin)
    stream = StreamSettings.model_validate(begin.stream)
    settings = ServingSettings.model_validate(begin.serving)
    topics, histories = Topics(begin.prefix), Histories()
    sys.setswitchinterval(TURN)
    with ExitStack() as stack:
        feed = Feed(begin.kafka, topics, stream, histories, with_time=settings.clock == "stream")
        feeding = stack.enter_context(Job("feed", feed.run))
        impressions = ImpressionLog(begin.kafka, topics.events, stream.partitions)
        stack.callback(impressions.close)
        service = Service(settings, histories, impressions, now if settings.clock == "wall" else feed.now)
        opener = Opener(TrainerSettings.model_validate(begin.trainer), begin.seed)
        hands = _Hands(service, opener, channel, stack.enter_context(_Api(service, listener)))
        thread_stands_back(ACCOMPANIES)  # this thread alone: those that answer have been started
        gc.collect()
        gc.freeze()  # what has been loaded stays, and need not be looked through while somebody waits
        channel.send(Up())
        reported = time.monotonic()
        while not hands.draining:
            feeding.raise_if_failed()
            hands.api.raise_if_ended()
            if channel.waits(max(0.0, reported + EVERY - time.monotonic())):
                hands.take(*channel.told())
            if time.monotonic() - reported >= EVERY:
                channel.send(_report(service, feed, impressions))
                hands.api.look()
                reported = time.monotonic()


class _Hands:
    """Does what the keeper tells."""

    def __init__(self, service: Service, opener: Opener, channel: Channel, api: _Api) -> None:
        self.api, self.draining = api, False
        self._service, self._opener, self._channel = service, opener, channel
        self._prepared: Opened | None = None
        self._serving: Opened | None = None
        self._beside: Opened | None = None

    def take(self, told: Told, fd: int | None) -> None:
        """One message."""
        service = self._service
        match told:
            case Prepare():
                assert fd is not None
                self._channel.send(self._prepare(told, fd))
            case Switch():
                assert self._prepared is not None
                before = self._serving, self._beside
                service.served, service.beside = Served(self._prepared.model, told.standing), None
                self._serving, self._beside, self._prepared = self._prepared, None, None
                self._leave(*before)
            case Beside():
                assert self._prepared is not None
                replaced = self._beside
                service.beside = Other(self._prepared.model, told.kind, told.version)
                self._beside, self._prepared = self._prepared, None
                self._leave(replaced)
            case Forget():
                self._prepared = None
            case Show():
                service.telling = told.telling
            case Beat():
                service.telling = replace(service.telling, health=told.health, pulse=told.pulse)
            case Open():
                self.api.open()
            case Drain():
                self.draining = True

    def _prepare(self, told: Prepare, fd: int) -> Ready | Refused:
        try:
            self._prepared = self._opener.open(f"{told.kind}/{told.version}", fd, told.spans)
        except AsmgError as error:
            return Refused(why=str(error))
        finally:
            os.close(fd)
        return Ready()

    def _leave(self, *replaced: Opened | None) -> None:
        """Let models' memory go: a request that still reads one would do so at its end, in one long step."""
        for one in replaced:
            if one is not None:
                one.memory.unmap()
        self._channel.send(Left())


def _report(service: Service, feed: Feed, impressions: ImpressionLog) -> Report:
    statuses, seconds, unknown = service.tally.news()
    written, lost = impressions.counted()
    return Report(
        statuses=statuses,
        seconds=seconds,
        unknown_users=unknown["users"],
        unknown_items=unknown["items"],
        impressions=written,
        impressions_lost=lost,
        histories=len(service.histories),
        histories_behind=feed.behind,
        unreadable=service.histories.unreadable,
        explains=service.awaits_other,
    )


class _Api:
    """uvicorn in a thread, where it leaves signals alone; ends once what it has begun is answered."""

    def __init__(self, service: Service, listener: socket.socket) -> None:
        self._service, self._listener = service, listener
        self._certificate = Certificate.of(service.settings)
        http: Any = partial(Connection, service.settings)
        config = uvicorn.Config(
            create_app(service),
            http=http,
            ws="none",  # a guard of requests sees no other kind of connection
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE,
        )
        if self._certificate is not None:
            config.load()
            config.ssl = self._certificate.context
        self._server, self._may = uvicorn.Server(config), threading.Event()
        self._thread = threading.Thread(target=self._run, name="api", daemon=True)

    def __enter__(self) -> _Api:
        self._thread.start()
        return self

    def open(self) -> None:
        """Take connections."""
        self._may.set()

    def look(self) -> None:
        """Show a certificate that has been renewed."""
        if self._certificate is not None:
            self._certificate.look()

    def raise_if_ended(self) -> None:
        """Raises: AsmgError: nobody answers any more."""
        if not self._thread.is_alive():
            raise AsmgError("the API has ended by itself; see what stands above")

    def __exit__(self, *_: object) -> None:
        self._service.closing = True
        self._server.should_exit = True
        self._may.set()
        self._thread.join()

    def _run(self) -> None:
        self._may.wait()
        if not self._server.should_exit:
            self._server.run([self._listener])


def main() -> None:
    """The process. Ends with 1 and one line where Kafka refuses, with 0 where it was told to end."""
    log.set_up("serve")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to keeper and answerers alike
    channel, listener = (socket.socket(fileno=int(fd)) for fd in sys.argv[1:])
    try:
        with contextlib.suppress(Closed):
            answer(Channel(channel), listener)
    except AsmgError as error:
        sys.exit(f"asmg: {error}")


if __name__ == "__main__":
    main()
