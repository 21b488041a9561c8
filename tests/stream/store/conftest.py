"""Every implementation of the store, on a real folder, S3 server (moto's) and redis-server."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from parts import Kept
from pyarrow import fs
from redis_server import RedisServer

from stream.store import ParquetStore, TieredStore, durable_store
from stream.store.redis import RedisStore

#: Seconds the S3 server may take to start.
DEADLINE = 60


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """Gives the URI of an empty place in a bucket, at another prefix each time."""
    log = tmp_path_factory.mktemp("s3") / "log"
    with log.open("wb") as file:
        server = subprocess.Popen(
            [sys.executable, "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stdout=file,
            stderr=file,
        )
    try:
        deadline = time.monotonic() + DEADLINE
        while "Running on http://" not in log.read_text():
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        port = int(log.read_text().partition("Running on http://127.0.0.1:")[2].split()[0])
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ACCESS_KEY_ID", "test")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
            query = f"region=us-east-1&scheme=http&endpoint_override=127.0.0.1:{port}"
            files, _ = fs.FileSystem.from_uri(f"s3://bucket?{query}&allow_bucket_creation=true")
            files.create_dir("bucket")
            yield lambda: f"s3://bucket/{uuid.uuid4().hex}?{query}"
    finally:
        server.kill()
        server.wait()


@pytest.fixture(params=["folder", "s3", "redis", "tiered"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    """Each implementation in turn."""
    return globals()[f"_{request.param}"](request, tmp_path)


def _folder(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    def path(name: str) -> Path:
        return tmp_path / name[:2] / f"{name}.parquet"

    return Kept(
        ParquetStore(tmp_path),
        lambda name: path(name).read_bytes(),
        lambda name, to: path(name).write_bytes(to),
    )


def _s3(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    uri = request.getfixturevalue("s3")()
    files, place = fs.FileSystem.from_uri(uri)

    def read(name: str) -> bytes:
        with files.open_input_stream(f"{place}/{name[:2]}/{name}.parquet") as file:
            return file.read()

    def write(name: str, content: bytes) -> None:
        with files.open_output_stream(f"{place}/{name[:2]}/{name}.parquet") as file:
            file.write(content)

    return Kept(durable_store(uri), read, write)


def _redis(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    server: RedisServer = request.getfixturevalue("redis_server")
    return Kept(
        RedisStore(server.settings()),
        lambda name: server.admin.hget(f"asmg:part:{name}", "0"),
        lambda name, to: server.admin.hset(f"asmg:part:{name}", "0", to),
    )


def _tiered(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    """What is damaged is damaged in both."""
    hot, durable = _redis(request, tmp_path), _folder(request, tmp_path)

    def write(name: str, content: bytes) -> None:
        hot.write(name, content)
        durable.write(name, content)

    return Kept(TieredStore(hot.store, durable.store), durable.read, write)
