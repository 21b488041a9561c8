"""Avro with a schema registry, which is a small HTTP server here."""

import base64
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import fastavro
import pytest

from stream.errors import BrokerError
from stream.ingest.mapping import Mapping
from stream.ingest.paths import Record
from stream.ingest.registry import PASSWORD, USERNAME, AvroDecode
from stream.ingest.values import Unmappable
from stream.settings import SourceSettings
from stream.window.log import Impression

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
        elif self.path.startswith("/schemas/ids/17"):
            status, body = 200, {"schema": json.dumps(SCHEMA), "schemaType": "AVRO"}
        sent = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    for name in (USERNAME, PASSWORD, "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = Registry()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def framed(value: dict, schema: int = 17) -> bytes:
    file = io.BytesIO()
    fastavro.schemaless_writer(file, fastavro.parse_schema(SCHEMA), value)
    return b"\0" + schema.to_bytes(4, "big") + file.getvalue()


def test_avro_is_decoded_and_mapped_and_its_schema_asked_for_once(registry):
    decode = AvroDecode(registry.url)
    table = {"topic": "t", "format": "avro", "kind": "impression", "user": "visitor.id", "item": "sku"}
    mapping = Mapping([SourceSettings.model_validate(table | {"impression": "view", "time": "at"})])
    for _ in range(3):
        (event,) = mapping(Record(decode("t", framed(VIEW)))).events
        assert event == Impression("00000000-0000-0000-0000-000000000005", "7", "s1", T)
    assert mapping(Record(decode("t", framed(VIEW | {"sku": None})))).reason == "item: sku is null"
    assert [one.partition("?")[0] for one in registry.asked] == ["/schemas/ids/17"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "the record is empty"),
        (None, "the record is empty"),
        (b'{"a": 1}', "not Avro as a schema registry frames it"),
        (framed(VIEW, 18), "the registry does not know its schema"),
        (framed(VIEW)[:9], "not Avro of its schema"),
        (b"\0\0", "not Avro of its schema"),
    ],
)
def test_what_is_no_avro_is_the_record_s_fault(registry, value, reason):
    with pytest.raises(Unmappable, match=reason):
        AvroDecode(registry.url)("t", value)


def test_credentials_come_from_the_environment(registry, monkeypatch):
    registry.wanted = "Basic " + base64.b64encode(b"me:se:cret").decode()
    with pytest.raises(BrokerError, match=f"status 401; set {USERNAME} and {PASSWORD} in the environment"):
        AvroDecode(registry.url)("t", framed(VIEW))
    monkeypatch.setenv(USERNAME, "me")
    monkeypatch.setenv(PASSWORD, "se:cret")
    assert AvroDecode(registry.url)("t", framed(VIEW))["visitor"] == {"id": 7}


def test_a_registry_that_is_away_or_out_of_order_ends_the_work_and_no_record_is_given_up(registry):
    registry.status = 422
    with pytest.raises(
        BrokerError, match=r"^the schema registry at http.* refuses: status 422, out of order$"
    ):
        AvroDecode(registry.url)("t", framed(VIEW))
    with pytest.raises(BrokerError, match=r"^no schema registry answers at http://127.0.0.1:1: .*right\?$"):
        AvroDecode("http://127.0.0.1:1")("t", framed(VIEW))
