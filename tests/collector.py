"""A collector of OpenTelemetry's for tests: what is sent to it by OTLP over HTTP, span by span."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Span:
    """One, as it came."""

    service: str
    name: str
    trace: str
    id: str
    below: str  # id of the one above; "" for none
    began: int  # ns
    ended: int
    told: dict[str, object]  # its attributes


class Collector(ThreadingHTTPServer):
    """On a free port of loopback."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.spans: list[Span] = []


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        found = self.path == "/v1/traces"
        if found:
            self.server.spans += read(ExportTraceServiceRequest.FromString(body))
        self.send_response(200 if found else 404)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def read(request: ExportTraceServiceRequest) -> list[Span]:
    """Its spans."""

    def plain(pairs: object) -> dict[str, object]:
        return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in pairs}  # type: ignore[attr-defined]

    return [
        Span(
            service=plain(of.resource.attributes)["service.name"],  # type: ignore[arg-type]
            name=one.name,
            trace=one.trace_id.hex(),
            id=one.span_id.hex(),
            below=one.parent_span_id.hex(),
            began=one.start_time_unix_nano,
            ended=one.end_time_unix_nano,
            told=plain(one.attributes),
        )
        for of in request.resource_spans
        for scope in of.scope_spans
        for one in scope.spans
    ]


@contextmanager
def collecting() -> Iterator[Collector]:
    """One that listens while the context lasts."""
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            collector.shutdown()
            thread.join()
