"""Foreign records to be ingested: the shop's events under other names, as JSON and as Avro."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import fastavro
import msgspec
from confluent_kafka.admin import AdminClient, NewTopic

from bench.shop import shop
from stream import kafka
from stream.replay import CLICK

#: The number under which the registry knows the schema.
NUMBER = 1

_VISITOR = {"type": "record", "name": "Visitor", "fields": [{"name": "id", "type": "string"}]}
_PRODUCT = {
    "type": "record",
    "name": "Product",
    "fields": [
        {"name": "sku", "type": "string"},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
    ],
}
_SCHEMA = {
    "type": "record",
    "name": "Record",
    "fields": [
        {"name": "what", "type": "string"},
        {"name": "token", "type": "string"},
        {"name": "visitor", "type": _VISITOR},
        {"name": "product", "type": _PRODUCT},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}


def tables(topic: str, form: str) -> list[dict[str, Any]]:
    """How they are mapped: two tables of one topic."""
    both = {
        "topic": topic, "format": form, "kind_field": "what", "user": "visitor.id", "item": "product.sku",
        "impression": "token", "time": "at", "categories": "product.tags",
    }  # fmt: skip
    return [both | {"impression_values": ["seen"]}, both | {"click_values": ["taken"]}]


def fill(broker: Mapping[str, object], topic: str, form: str, partitions: int, count: int) -> None:
    """Makes the topic and writes so many records, those of a user into one partition."""
    admin = AdminClient({**broker, "log_level": 2})
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result()
    events, writer = shop(count, users=20_000, items=5_000, rate=100.0, seed=0).events, kafka.Writer(broker)
    encode = encoder(form)
    for batch in events.to_batches(8192):
        for one in batch.to_pylist():
            place = int(one["user_id"].removeprefix("user-")) % partitions
            writer.write(topic, encode(foreign(one)), partition=place)
    writer.flush()


def foreign(event: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the shop's events as another shop has it."""
    return {
        "what": "taken" if event["kind"] == CLICK else "seen",
        "token": event["impression_id"],
        "visitor": {"id": event["user_id"]},
        "product": {"sku": event["item_id"], "tags": event["categories"]},
        "at": event["ts"],
    }


def encoder(form: str) -> Callable[[dict[str, Any]], bytes]:
    """What makes the bytes of a record."""
    if form == "json":
        return msgspec.json.encode
    schema = fastavro.parse_schema(_SCHEMA)

    def encode(record: dict[str, Any]) -> bytes:
        file = io.BytesIO()
        fastavro.schemaless_writer(file, schema, record)
        return b"\0" + NUMBER.to_bytes(4, "big") + file.getvalue()

    return encode


@contextmanager
def registry() -> Iterator[str]:
    """The URL of a schema registry that knows the schema."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        sent = json.dumps({"schema": json.dumps(_SCHEMA), "schemaType": "AVRO"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_: object) -> None:
        pass
