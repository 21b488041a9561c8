"""Who may ask for what: tokens of two scopes. Where none is set nobody is asked for one."""

from __future__ import annotations

import base64
import binascii
from hmac import compare_digest
from typing import Any, Literal

from fastapi import FastAPI, Response

from serving.answers import error_of
from serving.inference import MODEL
from serving.settings import ServingSettings, tokens_of

#: rank: rankings and scores. admin: the page, what it shows, and all that rank may.
Scope = Literal["rank", "admin"]
ALL: frozenset[Scope] = frozenset({"rank", "admin"})

#: Paths that say whether this process works and nothing else, for whoever looks after processes.
OPEN = frozenset({"/healthz", "/v2/health/live", "/v2/health/ready", f"/v2/models/{MODEL}/ready"})
_RANK = frozenset({"/rank", "/score", "/recommend", "/version", "/v2"})

#: What a caller without a known token is told to come with: programs the first, browsers the second.
_CHALLENGES = ('Bearer realm="asmg-stream"', 'Basic realm="asmg-stream", charset="UTF-8"')


class Access:
    """The tokens of the settings."""

    def __init__(self, settings: ServingSettings) -> None:
        self._tokens: list[tuple[bytes, frozenset[Scope]]] = [
            *((one, frozenset[Scope]({"rank"})) for one in tokens_of(settings.rank_token)),
            *((one, ALL) for one in tokens_of(settings.admin_token)),
        ]

    @property
    def guarded(self) -> bool:
        """Whether anybody is asked for a token."""
        return bool(self._tokens)

    def scopes(self, authorization: str | None) -> frozenset[Scope]:
        """What the header `authorization` allows; every token is compared, each in constant time."""
        if not self._tokens:
            return ALL
        given, found = _token(authorization or ""), frozenset[Scope]()
        for token, scopes in self._tokens:
            if compare_digest(token, given):
                found |= scopes
        return found


def needed(path: str) -> Scope | None:
    """What a path asks for; one that nobody has thought of, and one that is not there, ask for most."""
    if path in OPEN:
        return None
    return "rank" if path in _RANK or path.startswith("/v2/") else "admin"


def refused(path: str, scopes: frozenset[Scope]) -> Response | None:
    """What a caller with these scopes is answered at a path that asks for another; None: it may go on."""
    scope = needed(path)
    if scope is None or scope in scopes:
        return None
    if scopes:
        response = error_of(403, f"this asks for a token of scope {scope}; yours is for {', '.join(scopes)}")
        response.headers["www-authenticate"] = f'Bearer error="insufficient_scope", scope="{scope}"'
        return response
    response = error_of(
        401, f"this asks for a token of scope {scope}: send it as `authorization: Bearer …`, or as a password"
    )
    for challenge in _CHALLENGES:
        response.headers.append("www-authenticate", challenge)
    return response


def describe_access(app: FastAPI) -> None:
    """Have the API's description say which routes ask for a token, and how it is sent."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        told = plain()
        told.setdefault("components", {})["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "basic": {"type": "http", "scheme": "basic", "description": "the token is the password"},
        }
        for path, methods in told["paths"].items():
            asks = needed(path) is not None
            for route in methods.values():
                route["security"] = [{"bearer": []}, {"basic": []}] if asks else []
        return told

    app.openapi = described  # type: ignore[method-assign]


def _token(authorization: str) -> bytes:
    """The token of `Bearer TOKEN`, or of `Basic BASE64(anything:TOKEN)`; nothing where there is none."""
    scheme, _, rest = authorization.strip().partition(" ")
    told = rest.strip().encode("latin-1", "replace")
    if scheme.lower() == "bearer":
        return told
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(told, validate=True).partition(b":")[2]
    except binascii.Error:
        return b""
