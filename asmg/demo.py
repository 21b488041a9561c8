"""The demo: the whole loop on one machine, from a data set to a model that serves, watched to its end."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pyarrow as pa
from rich.console import Console

from asmg import staging
from asmg.broker import Attachment, require_answer
from asmg.config import Settings
from asmg.home import Told, begin, claimed, recall, remember
from asmg.options import pace_of, settings_of, source_of, speed_of
from asmg.progress import Progress
from asmg.run import Asked, Ending, Input, Run
from asmg.supervise import Supervisor, Worker
from serving.certificate import require_startable
from stream import kafka
from stream.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line says."""

    told: Told
    home: Path | None = None
    json: Path | None = None
    resume: bool = False
    keep: bool = False  # page and API stay up
    pace: str = "trained"
    speed: str = "max"
    windows: int = 1
    live: bool = False  # the live view runs too
    archive: bool = False


def demo(options: Options) -> int:
    """Run it; the exit status. Raises: AsmgError: in one line, what went wrong."""
    asked, progress = Asked(), Progress(Console(stderr=True))
    _require_usable(options)
    home = options.home or settings_of(options.told.sets).home / "demo"
    with claimed(home) as lock:
        told = _told(options, home)
        settings = settings_of(told.sets, home)
        require_startable(settings.serving)
        _require_same_kafka(settings, told, options.resume)
        source = _read(told, settings)
        sets = (*told.sets, *_staged(settings, told, source))
        if not options.resume:
            begin(home, told)
        remember(home, told)
        settings = settings_of(sets, home)
        with Attachment(settings.kafka, home) as attachment:
            require_answer(attachment.broker)
            topics = kafka.ensure_topics(attachment.broker, settings.kafka, settings.stream.partitions)
            ports = staging.ports(settings, options.windows)
            optional = {"shadow": settings.trainer.shadow, "live": options.live, "archive": options.archive}
            for name, wanted in optional.items():
                if not wanted:
                    del ports[name]
            if ports["serve"] != settings.serving.port:
                progress.say(f"port {settings.serving.port} is taken: page and API are at {ports['serve']}")
            sets = (*sets, *staging.written(_placed(attachment.broker, settings), staging.ported(ports)))
            supervisor = Supervisor(
                home / "logs",
                keep_open=[lock],
                on_restart=lambda name, why: progress.say(f"{name} ended ({why}): started again"),
            )
            going_on = "asmg demo --resume" + (f" --home {options.home}" if options.home else "")
            ending = Ending(options.json, options.keep, going_on)
            run = Run(ending, source, ports, settings, attachment, topics, supervisor, progress, asked)
            try:
                return run(_workers(options, told, home, sets, ports))
            finally:
                supervisor.stop()


def _staged(settings: Settings, told: Told, source: Input) -> tuple[str, ...]:
    """What the demo sets before all else is known: what shapes its results."""
    overrides = staging.staged(settings, source.dataset, source.samples, told.periods)
    prefix: staging.Overrides = {"kafka": {"prefix": told.prefix}} if told.prefix else {}
    return staging.written(overrides, prefix)


def _placed(broker: Mapping[str, object], settings: Settings) -> staging.Overrides:
    """Where the workers find Kafka, which is up by now."""
    return {"kafka": {"bootstrap": broker["bootstrap.servers"]}} if not settings.kafka.bootstrap else {}


def _workers(
    options: Options, told: Told, home: Path, sets: Sequence[str], ports: Mapping[str, int]
) -> list[Worker]:
    """The replay, then those it sends to."""
    asmg, flags = [sys.executable, "-m", "asmg"], ["--home", str(home)]
    for one in sets:
        flags += ["--set", one]
    data = {name: getattr(told, name) for name in ("data", "dataset", "since", "until", "events")}
    replay = {**data, "pace": options.pace, "speed": options.speed, "metrics-port": ports["replay"]}
    asked = [
        part for name, value in replay.items() if value is not None for part in (f"--{name}", str(value))
    ]
    windows = [name for name in ports if name.startswith("window")]
    more = [name for name in ("shadow", "archive", "live") if name in ports]
    return [
        Worker("replay", [*asmg, "replay", *flags, *asked], ends=True),
        *(
            Worker(name, [*asmg, "window", *flags, "--set", f"stream.metrics_port={ports[name]}"])
            for name in windows
        ),
        *(Worker(name, [*asmg, name, *flags]) for name in ("train", "metagen", "serve", *more)),
    ]


def _require_usable(options: Options) -> None:
    """Raises: ConfigurationError: what would only be noticed at the end of the run, or in a worker."""
    pace_of(options.pace)
    speed_of(options.speed)
    if options.windows < 1:
        raise ConfigurationError(f"--window-workers is at least 1, not {options.windows}")
    if options.json is not None and not os.access(options.json.absolute().parent, os.W_OK):
        raise ConfigurationError(
            f"{options.json} cannot be written: no folder {options.json.parent} to write in"
        )


def _told(options: Options, home: Path) -> Told:
    """What this demo is told: on the command line, or, to go on with it, when it began.

    Raises: ConfigurationError: there is nothing to go on with, or it is to go on with something else.
    """
    given = options.told
    if not options.resume:
        kafka_settings = settings_of(given.sets).kafka
        return (
            msgspec.structs.replace(given, prefix=_fresh_prefix(kafka_settings.prefix))
            if (kafka_settings.bootstrap)
            else given
        )
    before = recall(home)
    if before is None:
        raise ConfigurationError(f"there is no demo to go on with in {home}; leave --resume out")
    for name in ("data", "dataset", "periods", "since", "until", "events"):
        now, then = getattr(given, name), getattr(before, name)
        if now is not None and now != then:
            raise ConfigurationError(
                f"--{name} {now}: the demo in {home} began with {then or 'none'}; "
                f"leave --{name} out to go on with it, or --resume to begin anew"
            )
    return msgspec.structs.replace(before, sets=(*before.sets, *given.sets))


def _fresh_prefix(prefix: str) -> str:
    """Topics that nobody has used: on a Kafka of the user's nothing is wiped."""
    return f"{prefix}demo-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}."


def _require_same_kafka(settings: Settings, told: Told, resume: bool) -> None:
    """Raises: ConfigurationError: a demo is to go on elsewhere. BrokerError: the user's Kafka is silent."""
    if resume and bool(told.prefix) != bool(settings.kafka.bootstrap):
        there = "a Kafka of your own: set" if told.prefix else "the embedded Kafka: unset"
        raise ConfigurationError(f"this demo began on {there} ASMG_KAFKA_BOOTSTRAP to go on with it")
    if settings.kafka.bootstrap:
        require_answer(kafka.broker(settings.kafka, settings.kafka.bootstrap))


def _read(told: Told, settings: Settings) -> Input:
    """Reads the data once to know its size. Raises: DataError, ConfigurationError."""
    dataset, source = source_of(
        Path(told.data) if told.data else None,
        told.dataset,
        since=date.fromisoformat(told.since) if told.since else None,
        until=date.fromisoformat(told.until) if told.until else None,
        events=told.events,
        seed=settings.stream.seed,
    )
    found = Input(dataset, source.name, len(source), source.samples)
    del source
    pa.default_memory_pool().release_unused()
    return found
