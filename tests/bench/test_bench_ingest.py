"""What `bench.ingest` sends is what ingest maps, in both formats; to measure needs a Kafka and a minute."""

import io
import json
from urllib.request import ProxyHandler, build_opener

import fastavro
import pytest

from bench.ingest.__main__ import ratio
from bench.ingest.records import encoder, foreign, registry, tables
from bench.shop import shop
from bench.stream.speed import Speed
from stream.ingest.decode import decode_json
from stream.ingest.mapping import Mapping
from stream.ingest.paths import Record
from stream.replay import CLICK
from stream.settings import SourceSettings


@pytest.mark.parametrize("form", ["json", "avro"])
def test_every_record_becomes_the_event_it_was_made_of(form: str) -> None:
    events = shop(400, users=20, items=10, rate=100.0, seed=1).events
    mapping = Mapping([SourceSettings.model_validate(one) for one in tables("t", form)])
    encode = encoder(form)
    with registry() as url:
        direct = build_opener(ProxyHandler({}))
        schema = json.loads(json.load(direct.open(f"{url}/schemas/ids/1"))["schema"])
    for one in events.to_pylist():
        value = encode(foreign(one))
        if form == "avro":
            assert value[:5] == b"\0\0\0\0\1"
            decoded = fastavro.schemaless_reader(io.BytesIO(value[5:]), fastavro.parse_schema(schema), None)
        else:
            decoded = decode_json("t", value)
        (event,) = mapping(Record(decoded)).events
        assert event.kind == (1 if one["kind"] == CLICK else 0)
        assert (event.user_id, event.item_id, event.impression_id, event.ts, list(event.categories)) == (
            one["user_id"], one["item_id"], one["impression_id"], one["ts"], one["categories"],
        )  # fmt: skip


def test_ratios_are_of_medians() -> None:
    ours = [Speed(1, 1_000, seconds, seconds) for seconds in (2.0, 4.0, 40.0)]
    assert ratio(ours, [Speed(1, 1_000, 1.0, 2.0)]) == {"passed": 0.25, "cpu": 0.5}
