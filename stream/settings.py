"""What a user may set about broker, store, stream and live view; each field says its meaning and unit."""

from __future__ import annotations

import re
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

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def milliseconds(value: object) -> object:
    """`"90s"`, `"30m"`, `"12h"`, `"7d"`, `"250ms"` or a number of milliseconds, in milliseconds."""
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*", value)
        if not match:
            raise ValueError("a time like 250ms, 90s, 30m, 12h or 7d is expected")
        return round(float(match[1]) * _UNITS[match[2] or "ms"])
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
        description="any librdkafka setting, passed through (security.protocol, ssl.ca.location, ...)",
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

    The URL with a password in it, the user and the password come from the environment alone (asmg/config.py).
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
