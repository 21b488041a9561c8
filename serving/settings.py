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
    max_candidates: int = Field(default=10_000, ge=1, description="candidates one request may name")
    max_body: int = Field(default=4 * 1024 * 1024, ge=1024, description="bytes of a request's body")
    clock: Literal["wall", "stream"] = Field(
        default="wall",
        description="what stamps logged impressions; stream: the largest event time of the samples (replays)",
    )
    threads: int = Field(default=1, ge=1, description="torch threads")
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
