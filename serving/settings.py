"""What serving can be told, with meanings, units and defaults."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from stream.errors import ConfigurationError


class ServingSettings(BaseModel):
    """The HTTP API, the page, and what a request may ask for. Serving computes on the CPU."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", description="address to listen on; only loopback is allowed")
    port: int = Field(default=8080, ge=0, le=65535, description="port of API and page; 0: any free port")
    port_file: Path | None = Field(default=None, description="file that is told the port that was bound")
    max_candidates: int = Field(
        default=10_000, ge=1, description="candidates or pairs one request may name, items it may ask for"
    )
    max_body: int = Field(default=4 * 1024 * 1024, ge=1024, description="bytes of a request's body")
    clock: Literal["wall", "stream"] = Field(
        default="wall",
        description="what stamps logged impressions; stream: the largest event time of the samples (replays)",
    )
    workers: int = Field(
        default=1, ge=1, le=64, description="processes that answer; they share the model's tables in memory"
    )
    max_wait: int = Field(
        default=100, ge=1, description="ms of waiting that a request is let in for; beyond, 429 at once"
    )
    compare: bool = Field(
        default=True,
        description="also keep the other of Θ and Θ* of the version that serves, for explanations: its "
        "tables once more in memory; a canary keeps it in any case",
    )
    canary: float = Field(
        default=0.0,
        ge=0.0,
        le=0.5,
        description="share of users, by a hash of their ids, who get the other of Θ and Θ* of the version "
        "that serves; both are scored by the clicks that come back to what was logged",
    )
    canary_window: int = Field(
        default=20_000, ge=1, description="last impressions of each of the two over which they are scored"
    )
    metrics_port: int = Field(
        default=9104, ge=0, le=65535, description="port of Prometheus metrics on 127.0.0.1; 0: any free port"
    )


def require_loopback(host: str) -> None:
    """Raises: ConfigurationError: the address can be reached from elsewhere, and nothing asks who calls."""
    try:
        local = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise ConfigurationError(
            f"serving.host is {host!r}: only loopback (127.0.0.1) is allowed, since the API asks for no "
            "token; put a proxy that does before it"
        )
