"""Which durable store a place means: a folder of this machine, or a bucket by its URI."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from stream.errors import ConfigurationError
from stream.store.base import Store
from stream.store.objects import ObjectStore
from stream.store.parquet import ParquetStore


def durable_store(place: str) -> Store:
    """The store at a folder, or at `s3://BUCKET/PREFIX` or `gs://BUCKET/PREFIX`.

    What follows `?` in a URI is for pyarrow.fs (`region`, `endpoint_override`, `scheme`); credentials come
    from the environment, as the cloud's own tools look for them. Raises: ConfigurationError.
    """
    if "://" not in place:
        return ParquetStore(Path(place))
    scheme = urlsplit(place).scheme
    try:
        files, path = fs.FileSystem.from_uri(place)
    except (pa.ArrowException, OSError) as error:
        said = str(error).splitlines()[0]
        raise ConfigurationError(f"store.folder cannot be used as {scheme}://: {said}") from error
    return ObjectStore(files, path, scheme)
