"""What a user may set about broker, store, stream and live view; each field says its meaning and unit."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    field_validator,
    model_validator,
)

from stream.errors import ConfigurationError

#: Units of a span of time, in ms.
UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def milliseconds(value: object) -> object:
    """`"90s"`, `"30m"`, `"12h"`, `"7d"`, `"250ms"` or a number of milliseconds, in milliseconds."""
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*", value)
        if not match:
            raise ValueError("a time like 250ms, 90s, 30m, 12h or 7d is expected")
        return round(float(match[1]) * UNITS[match[2] or "ms"])
    return value


#: A span of time in ms, written as `"30m"` or as a number of ms.
Milliseconds = Annotated[int, BeforeValidator(milliseconds), Field(ge=0)]


class Section(BaseModel):
    """A table of `asmg.toml`: unknown names are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSettings(Section):
    """`[kafka]`: which broker, and under which topic names."""

    bootstrap: str = Field("", description="host:port of your Kafka; empty: the embedded one")
    prefix: str = Field(
        "asmg.", pattern=r"^[A-Za-z0-9._-]{0,100}$", description="put before every topic's name"
    )
    replication: int = Field(1, ge=1, description="replicas of topics that are made")
    options: dict[str, str | int | float | bool] = Field(
        default_factory=dict,
        description="any librdkafka setting, passed through (security.protocol, ssl.ca.location, …)",
    )


class StreamSettings(Section):
    """`[stream]`: how events become samples and samples become periods.

    Bytes are of resident memory, measured by bench/window_memory.py with ids of 13 to 19 characters. Whatever
    is set, a user with 30 positives costs 820 bytes and an item 190, for as long as the stream goes on.
    """

    partitions: int = Field(4, ge=1, le=1024, description="partitions of events, samples, histories")
    lateness: Milliseconds = Field(
        60_000,
        description="how much later than the newest an event may come; one that waits costs 240 bytes, "
        "a click with its impression's id 510",
    )
    window: Milliseconds = Field(
        1_800_000,
        description="attribution: a click counts this long after its impression; one that is open costs "
        "220 bytes and 5 for each item of its history",
    )
    memory: Milliseconds = Field(
        3_600_000,
        ge=1,
        description="how long beyond the window ids of impressions are remembered, "
        "to tell delayed and repeated clicks from unknown ones; 180 bytes an impression",
    )
    max_skew: Milliseconds = Field(
        600_000, description="an event further ahead of its Kafka timestamp is dead"
    )
    period_count: int | None = Field(None, ge=1, description="samples a period, drawn negatives not counted")
    period_span: Milliseconds | None = Field(None, description="span of a period in event time")
    idle_after: Milliseconds = Field(
        10_000,
        description="a partition that nobody writes to for this long, while its leader answers, gets a tick",
    )
    clock: Literal["events", "wall"] = Field(
        "events", description="wall: a stream that is idle as a whole is moved on by the wall clock"
    )
    seed: int = Field(0, ge=0, description="everything drawn is drawn from this")
    batch: int = Field(8192, ge=1, description="events read at a time; changes nothing but speed")
    checkpoint_every: Milliseconds = Field(10_000, description="time between checkpoints of a partition")
    metrics_port: int = Field(9101, ge=0, le=65535, description="Prometheus, on 127.0.0.1; 0: any free port")
    archive_metrics_port: int = Field(
        9107, ge=0, le=65535, description="Prometheus of the archiver, on 127.0.0.1; 0: any free port"
    )

    @model_validator(mode="after")
    def _some_end(self) -> StreamSettings:
        if self.period_span == 0:
            raise ValueError("period_span must be longer than 0")
        return self

    def shape(self) -> dict[str, int | str | None]:
        """What shapes periods: recorded as manifest 0, equal for everyone who works on the topics.

        Raises: ConfigurationError: neither `period_count` nor `period_span` is set.
        """
        if self.period_count is None and self.period_span is None:
            raise ConfigurationError("set stream.period_count or stream.period_span: nothing closes a period")
        return {
            "partitions": self.partitions,
            "period_count": self.period_count,
            "period_span": self.period_span,
            "lateness": self.lateness,
            "window": self.window,
            "memory": self.memory,
            "max_skew": self.max_skew,
            "seed": self.seed,
        }


class StoreSettings(Section):
    """`[store]`: where snapshots, hidden states and checkpoints lie durably."""

    folder: str | None = Field(
        None,
        min_length=1,
        description="a folder, or s3://BUCKET/PREFIX or gs://BUCKET/PREFIX, with ?region=R&scheme=http"
        "&endpoint_override=HOST:PORT where these are needed; default: store/ in the home",
    )

    @field_validator("folder")
    @classmethod
    def _known_place(cls, place: str | None) -> str | None:
        if place is None or ":/" not in place:
            return place
        parts = _split(place)
        if parts is None or parts.scheme not in ("s3", "gs") or not parts.netloc:
            raise ValueError("a folder, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX is expected")
        if "@" in parts.netloc:
            raise ValueError(
                "credentials do not belong into the URI: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                "whatever else the cloud's own tools read"
            )
        return place


class RedisSettings(Section):
    """`[redis]`: the copy of what is used now, in front of the durable store. Losing it loses nothing.

    The URL with a password in it, the user and the password come from the environment alone.
    """

    url: SecretStr = Field(
        SecretStr(""),
        description="redis://HOST:PORT/DB, rediss:// with TLS, or unix://PATH; empty: no Redis",
    )
    username: str | None = Field(None, description="ACL user; from the environment alone")
    password: SecretStr | None = Field(None, description="from the environment alone")
    ca_file: FilePath | None = Field(None, description="PEM of who signed the server; default: the system's")
    cert_file: FilePath | None = Field(None, description="PEM of ours, where the server asks for one")
    key_file: FilePath | None = Field(None, description="PEM of its key")
    prefix: str = Field("asmg:", pattern=r"^[A-Za-z0-9._:{}-]{1,100}$", description="begins every key")
    max_bytes: int = Field(
        1 << 30,
        ge=1 << 20,
        description="of parts; those not used for longest go first. It should hold k + 2 snapshots and Θ*",
    )
    ttl: Milliseconds = Field(
        86_400_000,
        ge=1_000,
        description="a part that was not used this long goes; longer than k + 2 periods",
    )
    timeout: Milliseconds = Field(
        2_000, ge=1, description="how long Redis may take over a part; then the durable store is asked"
    )

    @field_validator("url")
    @classmethod
    def _known_url(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value():
            return url
        parts = _split(url.get_secret_value())
        if parts is None or (parts.scheme != "unix" and not re.fullmatch(r"(/\d*)?", parts.path)):
            raise ValueError("this is no URL of a Redis: in a password write %2F for / and %40 for @")
        if parts.scheme not in ("redis", "rediss", "unix"):
            raise ValueError("a URL that begins with redis://, rediss:// or unix:// is expected")
        return url


def _split(url: str) -> SplitResult | None:
    """None where it cannot be read: urllib's own error may show a piece of a password."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


class SourceSettings(Section):
    """`[[ingest.sources]]`: where in the records of a topic the fields of our events are.

    A path is names with dots between them, into nested JSON (`user.id`, `results.0.sku`; a dot that belongs
    to a name is written `\\.`), or `header:NAME`, `key` (as text), `key:PATH` (as JSON), `kafka:timestamp`.
    A topic may be named by several tables, where its records of several kinds differ.
    """

    topic: str = Field(min_length=1, description="the topic to read")
    format: Literal["json", "avro"] = Field("json", description="of the values; avro: with ingest.registry")
    kind: Literal["impression", "click"] | None = Field(
        None, description="what every record is, unless kind_field tells"
    )
    kind_field: str = Field("", description="path of what tells an impression from a click")
    impression_values: tuple[str, ...] = Field((), description="what kind_field holds of an impression")
    click_values: tuple[str, ...] = Field(
        (), description="what it holds of a click; records with other values are left out"
    )
    user: str = Field(min_length=1, description="path of the user's id: a text, or a whole number")
    item: str = Field(
        min_length=1,
        description="path of the item's id, alike; with `items`, within each of them ('.': itself)",
    )
    items: str = Field("", description="path of the list that a slate shows: an impression for each of it")
    impression: str = Field("", description="path of the impression's id, the same in impression and click")
    slate: str = Field(
        "", description="path of an id that all items shown together have: with the item it makes the id"
    )
    time: str = Field(min_length=1, description="path of when it happened")
    time_unit: Literal["s", "ms", "us", "ns", "iso"] = Field(
        "ms",
        description="of a number since 1970; iso: a text like 2026-01-31T12:00:00Z, UTC where none is said",
    )
    categories: str = Field(
        "",
        description="path of the item's categories, as a list or a text, within each of `items`; of more "
        "than 64 the first are taken",
    )
    separator: str = Field("|", min_length=1, description="between categories where they are one text")
    start: str = Field(
        "earliest",
        description="where to begin the first time: earliest, latest, or a time like "
        "2026-01-31T12:00:00Z, of Kafka's timestamps",
    )

    @field_validator("start")
    @classmethod
    def _known_start(cls, start: str) -> str:
        if start not in ("earliest", "latest"):
            try:
                datetime.fromisoformat(start)
            except ValueError:
                raise ValueError("earliest, latest or a time like 2026-01-31T12:00:00Z is expected") from None
        return start

    @model_validator(mode="after")
    def _whole(self) -> SourceSettings:
        if (self.kind is None) == (not self.kind_field):
            raise ValueError("set kind, or kind_field with impression_values and click_values")
        if self.kind_field and not (self.impression_values or self.click_values):
            raise ValueError("kind_field needs impression_values, click_values, or both")
        if both := set(self.impression_values) & set(self.click_values):
            raise ValueError(f"{sorted(both)[0]!r} is in impression_values and in click_values")
        if self.impression and self.slate:
            raise ValueError("set impression, or slate, not both")
        shows = self.kind == "impression" or bool(self.impression_values)
        if shows and not (self.impression or self.slate):
            raise ValueError(
                "an impression needs an id that its click names too: set impression, or slate; where there "
                "is none, name the item's field: then one impression of an item counts per user and window"
            )
        if self.items and not shows:
            raise ValueError("items is for impressions: a click names one item")
        if self.items and self.impression:
            raise ValueError("with items set slate, not impression: each item shown needs an id of its own")
        return self


class IngestSettings(Section):
    """`[ingest]`: your own topics as events.

    The registry's user and password come from the environment alone, as ASMG_REGISTRY_USERNAME and
    ASMG_REGISTRY_PASSWORD.
    """

    name: str = Field(
        "ingest",
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
        description="under which its place is remembered in events, by one process; another name begins anew",
    )
    bootstrap: str = Field("", description="host:port of the Kafka with your topics; empty: that of [kafka]")
    options: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="librdkafka settings of that Kafka, where it is another"
    )
    registry: str = Field(
        "",
        description="http(s)://HOST:PORT of the schema registry, for avro; SSL_CERT_FILE names who signed it",
    )
    on_gap: Literal["stop", "skip"] = Field(
        "stop", description="what to do where Kafka has deleted records before they were read"
    )
    metrics_port: int = Field(9108, ge=0, le=65535, description="Prometheus, on 127.0.0.1; 0: any free port")
    sources: tuple[SourceSettings, ...] = Field((), description="a table for each topic, or kind of record")

    @field_validator("registry", mode="before")
    @classmethod
    def _plain_address(cls, registry: object) -> object:
        """Raises: ConfigurationError, and not a ValueError: that would show what was given."""
        parts = _split(str(registry)) if registry else None
        if registry and (
            parts is None or parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc
        ):
            raise ConfigurationError(
                "ingest.registry: http://HOST:PORT or https:// is expected, without credentials: those are "
                "ASMG_REGISTRY_USERNAME and ASMG_REGISTRY_PASSWORD in the environment"
            )
        return registry

    @field_validator("options", mode="before")
    @classmethod
    def _plain(cls, options: object) -> object:
        if isinstance(options, dict) and not all(
            isinstance(one, str | int | float) for one in options.values()
        ):
            raise ConfigurationError("ingest.options: each is a text, a number, true or false")
        return options

    @model_validator(mode="after")
    def _agreed(self) -> IngestSettings:
        by_topic: dict[str, SourceSettings] = {}
        for one in self.sources:
            first = by_topic.setdefault(one.topic, one)
            if (first.format, first.start) != (one.format, one.start):
                raise ValueError(f"sources of topic {one.topic} differ in format or start: a topic has one")
            if one.format == "avro" and not self.registry:
                raise ValueError(
                    f"topic {one.topic} is avro: set ingest.registry to the schema registry's URL"
                )
        return self


class LiveSettings(Section):
    """`[live]`: what the live view tells of."""

    span: Milliseconds = Field(
        900_000,
        ge=1_000,
        description="click-through and items: of so much event time; dead letters: of Kafka's",
    )
    rates_over: Milliseconds = Field(30_000, ge=1_000, description="events/s are a mean over this long")
    top: int = Field(10, ge=0, le=1_000, description="items named as the most clicked")
    metrics_port: int = Field(9106, ge=0, le=65535, description="Prometheus, on 127.0.0.1; 0: any free port")
