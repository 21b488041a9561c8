"""The store in a bucket: what is its own; against a real S3 server."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from parts import part
from pyarrow import fs

from stream.errors import ConfigurationError, MissingArtefact, StoreError
from stream.store import ObjectStore, ParquetStore, durable_store, name_of


class Refusing(BaseHTTPRequestHandler):
    """Gives nobody anything, as S3 does where a policy forbids it."""

    def do_GET(self) -> None:
        self.send_response(403)
        self.end_headers()

    do_HEAD = do_DELETE = do_POST = do_GET

    def log_message(self, *_of: object) -> None:
        pass


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Host and port of a server that refuses everything."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_part_being_uploaded_is_not_there(s3: Callable[[], str]) -> None:
    uri, name = s3(), name_of(part(3))
    files, place = fs.FileSystem.from_uri(uri)
    store = durable_store(uri)
    assert isinstance(store, ObjectStore)
    with files.open_output_stream(f"{place}/{name[:2]}/{name}.parquet") as upload:
        upload.write(b"half")
        assert not store.has(name)
        with pytest.raises(MissingArtefact, match=f"{name} in s3://{place}"):
            store.get(name)


def test_a_bucket_that_is_not_there_is_named_when_a_part_is_put(s3: Callable[[], str]) -> None:
    elsewhere = s3().replace("s3://bucket/", "s3://elsewhere/")
    with pytest.raises(StoreError, match="cannot write s3://elsewhere/") as caught:
        durable_store(elsewhere).put(part(3))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ask", ["get", "has", "delete"])
def test_a_server_that_refuses_is_an_error_and_no_missing_part(refusing: str, ask: str) -> None:
    store = durable_store(f"s3://bucket/here?region=us-east-1&scheme=http&endpoint_override={refusing}")
    with pytest.raises(StoreError, match="s3://bucket/here") as caught:
        getattr(store, ask)("0" * 64)
    assert type(caught.value) is StoreError
    assert "\n" not in str(caught.value)


def test_the_endpoint_may_come_from_the_environment(
    s3: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = urlsplit(s3())
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://" + parts.query.rpartition("=")[2])
    store = durable_store(f"s3://{parts.netloc}{parts.path}?region=us-east-1")
    assert store.get(store.put(part(3))).equals(part(3))


def test_a_place_without_a_scheme_is_a_folder_and_a_wrong_query_is_named() -> None:
    assert isinstance(durable_store("./store"), ParquetStore)
    with pytest.raises(ConfigurationError, match=r"store\.folder.*colour"):
        durable_store("s3://bucket/place?colour=red")
