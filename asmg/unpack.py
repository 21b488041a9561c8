"""An archive's files as one folder: those expected, none outside it, together no bigger than allowed."""

from __future__ import annotations

import shutil
import stat
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile, ZipInfo

from asmg.datasets import Archive
from asmg.download import OnProgress
from stream.errors import DataError

#: Bytes unpacked or compared at a time.
_BLOCK = 1 << 20


def unpack(archive: Archive, path: Path, folder: Path, on_progress: OnProgress) -> None:
    """Write the archive's files to `folder`, which is there only once all of them are.

    Other members are left out. Raises: DataError: a member lies outside the folder or is no regular file,
    a file is missing, or all are bigger than allowed; OSError: the folder cannot be written.
    """
    fresh = folder.with_name(f"{folder.name}.unpacking")
    with _members(archive, path) as (opened, members):
        if fresh.exists():  # of one that was killed
            shutil.rmtree(fresh)
        fresh.mkdir()
        try:
            done, total = 0, sum(member.file_size for member in members.values())
            for name, member in members.items():
                with opened.open(member) as packed, (fresh / name).open("wb") as file:
                    while block := packed.read(_BLOCK):
                        done += file.write(block)
                        on_progress(done, total)
            fresh.rename(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def first_difference(archive: Archive, path: Path, folder: Path) -> str | None:
    """The first of the archive's files that the folder lacks or has otherwise, by size and CRC-32.

    Raises: DataError: the zip cannot be used.
    """
    with _members(archive, path) as (_, members):
        for name, member in members.items():
            file = folder / name
            if not file.is_file() or file.stat().st_size != member.file_size or _crc(file) != member.CRC:
                return name
    return None


@contextmanager
def _members(archive: Archive, path: Path) -> Iterator[tuple[ZipFile, Mapping[str, ZipInfo]]]:
    """The zip, and the members to take by file name; what is wrong with it meanwhile is a DataError."""
    try:
        with ZipFile(path) as opened:
            members = {}
            for member in opened.infolist():
                inside = _inside(archive, path, member)
                if inside in archive.files:
                    members[inside] = member
            if missing := sorted(set(archive.files) - set(members)):
                raise DataError(f"{path}: lacks {archive.name}/{missing[0]}")
            if (size := sum(member.file_size for member in members.values())) > archive.unpacked:
                raise DataError(f"{path}: would unpack to {size:,} bytes; {archive.unpacked:,} are allowed")
            yield opened, members
    except (BadZipFile, zlib.error, EOFError, RuntimeError) as error:  # RuntimeError: encrypted or unknown
        raise DataError(f"{path}: cannot be unpacked: {error}") from error


def _inside(archive: Archive, path: Path, member: ZipInfo) -> str:
    """A member's path within the archive's folder. Raises: DataError: it lies elsewhere, or is a link."""
    parts = PurePosixPath(member.filename).parts
    if parts[:1] != (archive.name,) or ".." in parts or "\\" in member.filename:
        raise DataError(f"{path}: its member {member.filename!r} lies outside {archive.name}/")
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DataError(f"{path}: its member {member.filename!r} is neither file nor folder")
    return "/".join(parts[1:])


def _crc(file: Path) -> int:
    crc = 0
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK):
            crc = zlib.crc32(block, crc)
    return crc
