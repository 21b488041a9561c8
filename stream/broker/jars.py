"""Kafka's jars: fetched once at set-up by version, and refused unless their sha256 is the expected one."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

import jgo

from stream.errors import BrokerError

#: Maven coordinates of the broker, and of the logger without which it prints nothing.
COORDINATES = "org.apache.kafka:kafka_2.13:4.3.1+org.slf4j:slf4j-simple:1.7.36"

#: sha256 and file name of every jar, one a line as `sha256sum` prints them.
EXPECTED = Path(__file__).parent / "jars.sha256"


def folder() -> Path:
    """Where the jars lie: `$XDG_CACHE_HOME/asmg/kafka-4.3.1`, by default below `~/.cache`."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "asmg" / "kafka-4.3.1"


def install() -> Path:
    """Fetch the jars unless they are there, and verify them; the folder they lie in.

    Raises: BrokerError: they cannot be fetched, or a jar is not the one expected.
    """
    if folder().is_dir():
        return folder()
    try:
        environment = jgo.build(COORDINATES)
    except Exception as error:  # jgo lets through whatever its HTTP client raises
        raise BrokerError(f"Kafka's jars cannot be fetched: {error}; is Maven Central reachable?") from error
    found = {path.name: path for path in map(Path, environment.all_jars)}
    fresh = folder().with_name(f"{folder().name}.{os.getpid()}")
    fresh.mkdir(parents=True)
    for name, digest in expected().items():
        if name not in found:
            raise BrokerError(
                f"Kafka's jar {name} was not among those fetched; delete ~/.cache/jgo and try again"
            )
        if _sha256(found[name]) != digest:
            raise BrokerError(f"{found[name]} does not have the sha256 expected; delete it and try again")
        shutil.copyfile(found[name], fresh / name)
    try:
        fresh.rename(folder())
    except OSError:  # another set-up was quicker, with the same bytes
        shutil.rmtree(fresh)
    return folder()


def expected() -> dict[str, str]:
    """File name to sha256 of every jar."""
    return {name: digest for digest, name in (line.split() for line in EXPECTED.read_text().splitlines())}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    try:
        print(f"Kafka's jars are in {install()}")
    except BrokerError as error:
        sys.exit(str(error))
