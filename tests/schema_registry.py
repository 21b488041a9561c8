"""A schema registry with one schema, as a small HTTP server, and records as it frames them."""

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import fastavro
import pytest

from stream.ingest.registry import PASSWORD, USERNAME

T = 1_764_000_000_000

VISITOR = {"type": "record", "name": "Visitor", "fields": [{"name": "id", "type": "long"}]}

SCHEMA = {
    "type": "record",
    "name": "View",
    "namespace": "shop",
    "fields": [
        {"name": "visitor", "type": VISITOR},
        {"name": "sku", "type": ["null", "string"]},
        {"name": "view", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}

VIEW = {"visitor": {"id": 7}, "sku": "s1", "view": "00000000-0000-0000-0000-000000000005", "at": T}


class Registry(ThreadingHTTPServer):
    """Knows one schema, 17; counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.also: set[int] = set()  # numbers that the schema has as well
        self.wanted: str | None = None
        self.status = 200
        super().__init__(("127.0.0.1", 0), _Answer)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        status, body = 404, {"error_code": 40403, "message": "Schema not found"}
        if self.server.status != 200:
            status, body = self.server.status, {"error_code": 50001, "message": "out of order"}
        elif self.server.wanted is not None and self.headers.get("Authorization") != self.server.wanted:
            status, body = 401, {"error_code": 401, "message": "Unauthorized"}
        elif int(self.path.partition("?")[0].rpartition("/")[2]) in {17, *self.server.also}:
            status, body = 200, {"schema": json.dumps(SCHEMA), "schemaType": "AVRO"}
        sent = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A registry while the context lasts, which is asked directly and without a name."""
    for name in (USERNAME, PASSWORD, "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = Registry()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def framed(value: dict, schema: int = 17) -> bytes:
    file = io.BytesIO()
    fastavro.schemaless_writer(file, fastavro.parse_schema(SCHEMA), value)
    return b"\0" + schema.to_bytes(4, "big") + file.getvalue()
