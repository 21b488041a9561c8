"""Avro with a schema registry, which is a small HTTP server here."""

import base64
from collections.abc import Iterator

import pytest
from schema_registry import VIEW, Registry, T, answering, framed

from stream.errors import BrokerError
from stream.ingest.mapping import Mapping
from stream.ingest.paths import Record
from stream.ingest.registry import PASSWORD, USERNAME, AvroDecode
from stream.ingest.values import Unmappable
from stream.settings import SourceSettings
from stream.window.log import Impression


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    with answering(monkeypatch) as server:
        yield server


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
