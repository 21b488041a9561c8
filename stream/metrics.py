"""Prometheus metrics of a worker over HTTP, on this machine alone."""

from __future__ import annotations

from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import start_http_server

from stream.errors import ConfigurationError


def metrics_server(port: int, setting: str) -> tuple[WSGIServer, Thread]:
    """The server, which answers already, and its thread; port 0: any free one.

    Raises: ConfigurationError: the port is taken; the setting that names it is told, since a worker has
    several ports and a machine several workers.
    """
    try:
        return start_http_server(port, "127.0.0.1")
    except OSError as error:
        raise ConfigurationError(
            f"metrics cannot be had on 127.0.0.1:{port}: {error.strerror or error}; "
            f"set {setting} to a free port, or 0 for any"
        ) from error
