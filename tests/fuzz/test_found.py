"""What fuzzers have found, so that it is not left to chance to find it again."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from confluent_kafka import Message
from live import answering, service_of
from test_fuzz_samples import _Message
from valid import ARCHIVED, RECORDS, message

from serving.answers import LONGEST
from serving.settings import ServingSettings
from stream.close.batches import read_batch
from stream.errors import CorruptArtefact, CorruptRecord
from stream.records import DEEPEST, Announcement, Manifest, decode, encode
from stream.store import ParquetStore

_ANNOUNCEMENT = encode(next(one for one in RECORDS if isinstance(one, Announcement)))


def _nested(depth: int) -> bytes:
    """An announcement this deep."""
    return _ANNOUNCEMENT.replace(b'"seed":1', b'"seed":' + b"[" * (depth - 2) + b"]" * (depth - 2))


def _at(depth: int, value: bytes) -> object:
    """What comes of it where the stack is this deep already."""
    if depth:
        return _at(depth - 1, value)
    try:
        return decode(Announcement, value).hash()
    except CorruptRecord:
        return CorruptRecord


@pytest.mark.parametrize("depth", [DEEPEST, DEEPEST + 1, 800, 60_000])
def test_how_deep_a_record_may_be_depends_on_nobody(depth: int) -> None:
    found = {_at(stack, _nested(depth)) for stack in (0, 300, 600)}
    assert len(found) == 1
    assert (found == {CorruptRecord}) == (depth > DEEPEST)


def test_a_record_with_a_number_beyond_64_bits_is_corrupt() -> None:
    with pytest.raises(CorruptRecord):
        decode(Manifest, b'{"period":%d,"parent":"","reason":"end"}' % 2**63)


def test_a_manifest_of_many_partitions_is_not_deep() -> None:
    many = {str(one): (0, 2**62) for one in range(1_024)}
    manifest = Manifest(period=1, parent="", reason="end", samples=many, at=many)
    assert decode(Manifest, encode(manifest)) == manifest


@pytest.mark.parametrize("name", ["partition", "first", "rows", "watermark", "counts"])
@pytest.mark.parametrize("told", [None, b"", b"x", b"-1", b"%d" % 2**63, b"9" * 5_000])
def test_a_header_that_is_none_makes_a_batch_corrupt(name: str, told: Any) -> None:
    value, headers = message()
    record = cast(Message, _Message(value, list((dict(headers) | {name: told}).items())))
    if (name, told) == ("watermark", b"-1"):
        assert read_batch(record).reached.watermark == -1
        return
    with pytest.raises(CorruptRecord):
        read_batch(record)
    without = [one for one in headers if one[0] != name]
    with pytest.raises(CorruptRecord):
        read_batch(cast(Message, _Message(value, without)))


def test_a_file_whose_columns_have_names_that_are_no_text_is_corrupt(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    name = store.put(ARCHIVED)
    (file,) = tmp_path.glob("*/*.parquet")
    content = file.read_bytes()
    for place in (match.start() for match in re.finditer(b"number|user_id|history", content)):
        file.write_bytes(content[:place] + b"\xff" + content[place + 1 :])
        with contextlib.suppress(CorruptArtefact):
            assert store.get(name).equals(ARCHIVED)  # some names are written twice, and read once


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with (
        answering(service_of(ServingSettings(port=0))) as (host, port),
        httpx.Client(base_url=f"http://{host}:{port}") as client,
    ):
        yield client


def test_an_origin_that_cannot_be_read_is_refused(client: httpx.Client) -> None:
    assert client.get("/state", headers={"origin": "http://["}).status_code == 403


def test_a_wrong_method_is_told_the_right_one(client: httpx.Client) -> None:
    response = client.get("/rank")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("k", [1, 2**63])
def test_integers_are_of_64_bits(client: httpx.Client, k: int) -> None:
    body = {"user_id": 2**63 - k, "candidates": [-(2**63)], "k": k}
    assert client.post("/rank", json=body).status_code == (200 if k == 1 else 422)
    assert client.post("/rank", json={"user_id": 10**300, "candidates": ["a"]}).status_code == 422


def test_an_item_has_no_more_categories_than_an_event_may_have(client: httpx.Client) -> None:
    for count, status in ((64, 200), (65, 422)):
        item = {"item_id": "a", "categories": list(range(count))}
        assert client.post("/rank", json={"user_id": "u", "candidates": [item]}).status_code == status


def test_an_error_quotes_little(client: httpx.Client) -> None:
    inputs = [{"name": "x" * 100_000, "shape": [0], "datatype": "BYTES", "data": []}]
    response = client.post("/v2/models/asmg/infer", json={"inputs": inputs})
    assert response.status_code == 400
    assert len(response.json()["error"]) <= LONGEST
