"""What a user may set about the broker, the store and the stream; each field says its meaning and unit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

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
    is set, a user with 30 positives costs 630 bytes and an item 160, for as long as the stream goes on.
    """

    partitions: int = Field(4, ge=1, le=1024, description="partitions of events, samples, histories")
    lateness: Milliseconds = Field(
        60_000,
        description="how much later than the newest an event may come; one that waits costs 340 bytes, "
        "a click with its impression's id 600",
    )
    window: Milliseconds = Field(
        1_800_000,
        description="attribution: a click counts this long after its impression; one that is open costs "
        "350 bytes and 4 for each item of its history",
    )
    memory: Milliseconds = Field(
        3_600_000,
        ge=1,
        description="how long beyond the window ids of impressions are remembered, "
        "to tell delayed and repeated clicks from unknown ones; 290 bytes an impression",
    )
    max_skew: Milliseconds = Field(
        600_000, description="an event further ahead of its Kafka timestamp is dead"
    )
    period_count: int | None = Field(None, ge=1, description="samples a period, drawn negatives not counted")
    period_span: Milliseconds | None = Field(None, description="span of a period in event time")
    idle_after: Milliseconds = Field(
        10_000, description="a partition that stands still this long gets a tick"
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
    """`[store]`: where snapshots, hidden states and checkpoints lie."""

    folder: Path | None = Field(None, description="folder of the Parquet store; default: store/ in the home")
