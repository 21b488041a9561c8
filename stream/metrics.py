"""Prometheus metrics of a worker over HTTP, on this machine alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from wsgiref.simple_server import WSGIServer

from prometheus_client import start_http_server

from stream.errors import ConfigurationError


@contextmanager
def metrics_on(port: int, setting: str) -> Iterator[WSGIServer]:
    """The server, which answers while the context lasts, and by that says that a worker is up; port 0: any.

    Raises: ConfigurationError: the port is taken; the setting that names it is told, since a worker has
    several ports and a machine several workers.
    """
    try:
        server, _ = start_http_server(port, "127.0.0.1")
    except OSError as error:
        raise ConfigurationError(
            f"metrics cannot be had on 127.0.0.1:{port}: {error.strerror or error}; "
            f"set {setting} to a free port, or 0 for any"
        ) from error
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
