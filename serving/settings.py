"""What serving can be told, with meanings, units and defaults."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    model_validator,
)

from stream.errors import ConfigurationError

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{16,256}")


def _known_tokens(given: SecretStr) -> SecretStr:
    if not all(_TOKEN.fullmatch(one) for one in given.get_secret_value().split(",")):
        raise ValueError(
            "16 to 256 of the characters A-Z a-z 0-9 . _ ~ + / = - are expected, as `openssl rand -hex 32` "
            "makes them; several with commas between"
        )
    return given


#: One token, or several with commas between, so that one can be replaced while its callers move on.
Tokens = Annotated[SecretStr, AfterValidator(_known_tokens)]
#: What is set to nothing is not set.
_Unset = BeforeValidator(lambda given: given or None)


class ServingSettings(BaseModel):
    """The HTTP API, the page, and what a request may ask for. Serving computes on the CPU."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(
        default="127.0.0.1", description="address to listen on; one that others can reach only with a token"
    )
    port: int = Field(default=8080, ge=0, le=65535, description="port of API and page; 0: any free port")
    hosts: tuple[str, ...] = Field(
        default=(),
        description="names that callers may know this address by, besides its own; on an address that others "
        "can reach, empty: any",
    )
    rank_token: Annotated[Tokens | None, _Unset] = Field(
        default=None, description="lets ask for rankings and scores; from the environment alone"
    )
    admin_token: Annotated[Tokens | None, _Unset] = Field(
        default=None, description="lets see the page and ask for everything; from the environment alone"
    )
    cert_file: FilePath | None = Field(
        default=None, description="PEM of the certificate to speak TLS with, its chain behind it"
    )
    key_file: FilePath | None = Field(default=None, description="PEM of its key, without a passphrase")
    port_file: Path | None = Field(default=None, description="file that is told the port that was bound")
    max_candidates: int = Field(
        default=10_000, ge=1, description="candidates or pairs one request may name, items it may ask for"
    )
    max_body: int = Field(default=4 * 1024 * 1024, ge=1024, description="bytes of a request's body")
    max_head: int = Field(default=32 * 1024, ge=1024, description="bytes of a request's address and headers")
    max_receive: int = Field(
        default=30,
        ge=1,
        description="seconds in which a request must come whole, and a caller take an answer",
    )
    max_connections: int = Field(default=512, ge=1, description="connections at once, of each process")
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
        description="load the other of Θ and Θ* of the version that serves when somebody asks for an "
        "explanation: its tables once more in memory, until the next model; a canary has it in any case",
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

    @model_validator(mode="after")
    def _belong_together(self) -> ServingSettings:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together: set both or none")
        if set(tokens_of(self.rank_token)) & set(tokens_of(self.admin_token)):
            raise ValueError("rank_token and admin_token are the same: whoever may rank would be admin")
        return self


def tokens_of(given: SecretStr | None) -> list[bytes]:
    """The tokens of a setting."""
    return given.get_secret_value().encode().split(b",") if given is not None else []


def told_plainly(settings: ServingSettings) -> dict[str, object]:
    """The settings as JSON holds them, tokens among them: for a process of ours, never to be shown."""
    tokens = {"rank_token": settings.rank_token, "admin_token": settings.admin_token}
    return settings.model_dump(mode="json") | {
        name: given.get_secret_value() for name, given in tokens.items() if given is not None
    }


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach an address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def require_guarded(settings: ServingSettings) -> None:
    """Raises: ConfigurationError: the address can be reached from elsewhere, and nothing asks who calls."""
    if settings.rank_token is None and settings.admin_token is None and not is_loopback(settings.host):
        raise ConfigurationError(
            f"serving.host is {settings.host!r}, which others can reach, and nothing asks who calls: set "
            "ASMG_SERVING_RANK_TOKEN and ASMG_SERVING_ADMIN_TOKEN in the environment (docs/security.md), or "
            "serving.host to loopback (127.0.0.1)"
        )
