"""An archive from its server, checked by size and sha256; where it breaks off, the next try goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from asmg.datasets import Archive
from stream.errors import DataError

#: Told how many bytes are there, and how many there will be.
OnProgress = Callable[[int, int], None]

#: Seconds that a server may be silent.
SILENCE = 30.0

#: Bytes taken from a server at most. A file that is not the one expected is read to its end up to here,
#: for its sha256 to be named.
MOST = 1 << 30

#: Bytes read at a time.
_BLOCK = 1 << 16

_ELSE = "give --data a folder you have instead"
_AGAIN = "the same command goes on from there"


def download(archive: Archive, path: Path, on_progress: OnProgress) -> int:
    """Fetch the archive to `path`; the bytes that came this time.

    What comes is kept in `path`.part, which becomes `path` once it is whole and the one expected, and is
    deleted if it is whole and another. Raises: DataError: no server answers, it breaks off, or the file
    is not the one expected; OSError: it cannot be written.
    """
    part, came = path.with_name(f"{path.name}.part"), 0
    have = part.stat().st_size if part.exists() else 0
    if have < archive.size:
        came = _receive(archive, part, have, on_progress)
    wrong = fault(archive, part)
    if wrong and have:  # what was kept may have been of another file
        came += _receive(archive, part, 0, on_progress)
        wrong = fault(archive, part)
    if wrong:
        part.unlink()
        raise DataError(f"{archive.address} {wrong}")
    part.rename(path)
    return came


def fault(archive: Archive, path: Path) -> str | None:
    """Why a file is not this archive, and the mend; None if it is."""
    size = path.stat().st_size
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if (size, sha256) == (archive.size, archive.sha256):
        return None
    return (
        f"has {size:,} bytes and sha256 {sha256}, and not the {archive.size:,} bytes and sha256 "
        f"{archive.sha256} that this asmg knows; a newer asmg may know it, or unpack it by hand and give "
        f"--data its folder"
    )


def _receive(archive: Archive, part: Path, have: int, on_progress: OnProgress) -> int:
    """Append to the `have` bytes of `part`, or write it anew; the bytes that came."""
    host = urlsplit(archive.address).hostname
    try:
        answer, begin = _ask(archive, have)
    except HTTPError as error:
        with error:
            raise DataError(f"{host} answers {error.code} for {archive.address}; {_ELSE}") from error
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise DataError(f"no answer from {host}: {reason}; {_ELSE}") from error
    at = begin
    with answer, part.open("ab" if begin else "wb") as file:
        on_progress(at, archive.size)
        while at <= MOST and (
            block := _next(answer, f"{host} broke off after {at:,} of {archive.size:,} bytes")
        ):
            at += file.write(block)
            on_progress(at, archive.size)
    if at > MOST:
        part.unlink()
        raise DataError(f"{archive.address} goes on after {MOST:,} bytes, not {archive.size:,}; {_ELSE}")
    return at - begin


def _ask(archive: Archive, have: int) -> tuple[HTTPResponse, int]:
    """The server's answer, and the byte it begins with: `have`, or 0 if it does not go on from there."""
    if have:
        try:
            answer = _get(archive.address, {"Range": f"bytes={have}-"})
        except HTTPError as error:
            if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            error.close()
        else:
            return answer, have if answer.status == HTTPStatus.PARTIAL_CONTENT else 0
    return _get(archive.address, {}), 0


def _get(address: str, headers: dict[str, str]) -> HTTPResponse:
    return cast(HTTPResponse, urlopen(Request(address, headers=headers), timeout=SILENCE))


def _next(answer: HTTPResponse, broken: str) -> bytes:
    """The next bytes; none at the end. Raises: DataError: the end is missing."""
    try:
        block = answer.read(_BLOCK)
    except (OSError, HTTPException) as error:
        raise DataError(f"{broken}: {error}; {_AGAIN}") from error
    if not block and answer.length:  # bytes announced that did not come
        raise DataError(f"{broken}; {_AGAIN}")
    return block
