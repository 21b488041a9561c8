"""A data set is fetched once, checked, resumed and unpacked into its own folder; the server is ours."""

import fcntl
import hashlib
import io
import json
import os
import re
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from asmg import datasets, download
from asmg.cli import app
from asmg.data_get import LOCK, get
from asmg.datasets import ARCHIVES, Archive
from asmg.options import source_of
from stream.errors import ConfigurationError, DataError

NAME = "ml-tiny"
FILES = {
    "README.txt": b"research use\n",
    "movies.csv": b"movieId,title,genres\n1,One (1999),Drama\n2,Two (2000),Comedy|Drama\n",
    "ratings.csv": b"userId,movieId,rating,timestamp\n1,1,5.0,10000000\n1,2,3.0,10000100\n2,2,4.5,10000200\n",
}


def packed(members: dict[str, bytes]) -> bytes:
    """A zip of these members, the first of them a folder's."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as file:
        file.mkdir(NAME)
        for name, content in members.items():
            file.writestr(name, content)
    return held.getvalue()


GOOD = packed({f"{NAME}/{name}": content for name, content in FILES.items()})


@dataclass
class Server:
    """What it sends, how it behaves, and what it was asked."""

    port: int = 0
    content: bytes = GOOD
    knows_range: bool = True
    breaks_at: int | None = None  # closes the connection after so many bytes of a body
    chunked: bool = False
    status: int | None = None
    asked: list[str | None] = field(default_factory=list)  # the Range of each request


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        told: Server = self.server.told  # type: ignore[attr-defined]
        wanted, size, begin = self.headers["Range"], len(told.content), 0
        told.asked.append(wanted)
        if told.status:
            self.send_error(told.status)
            return
        if wanted and told.knows_range:
            begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if begin >= size:
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{size - 1}/{size}")
        else:
            self.send_response(200)
        body = told.content[begin:]
        self.send_header(
            *(("Transfer-Encoding", "chunked") if told.chunked else ("Content-Length", str(len(body))))
        )
        self.end_headers()
        sent = body[: told.breaks_at]
        self.wfile.write(b"%x\r\n%s\r\n" % (len(sent), sent) if told.chunked else sent)
        if told.chunked and told.breaks_at is None:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def log_message(self, *told: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    http.told = Server(http.server_port)  # type: ignore[attr-defined]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield http.told  # type: ignore[attr-defined]
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def expected(server: Server) -> Callable[[bytes], Archive]:
    """The archive at the server's address whose content is known to be this."""

    def of(content: bytes) -> Archive:
        return Archive(
            name=NAME,
            address=f"http://127.0.0.1:{server.port}/{NAME}.zip",
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            files=tuple(FILES),
            unpacked=1_000,
        )

    return of


@pytest.fixture
def archive(expected: Callable[[bytes], Archive]) -> Archive:
    return expected(GOOD)


def fetch(archive: Archive, out: Path) -> tuple[int, bool]:
    return get(archive, out, Console(stderr=True))


def here(out: Path) -> set[str]:
    return {path.name for path in out.iterdir()} - {LOCK}


def test_a_data_set_is_downloaded_unpacked_and_read_as_movielens(
    server: Server, archive: Archive, tmp_path: Path
) -> None:
    assert fetch(archive, tmp_path / "new" / "data") == (len(GOOD), True)
    folder = tmp_path / "new" / "data" / NAME
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES
    assert here(folder.parent) == {NAME, f"{NAME}.zip"}
    name, source = source_of(folder, None)
    assert (name, len(source)) == ("movielens", 5)  # three impressions, two of them clicked


def test_what_is_there_is_not_asked_for_again(server: Server, archive: Archive, tmp_path: Path) -> None:
    fetch(archive, tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    server.status = 500
    assert fetch(archive, tmp_path) == (0, False)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == times
    assert len(server.asked) == 1


def test_an_archive_that_is_there_is_unpacked_without_a_server(
    server: Server, archive: Archive, tmp_path: Path
) -> None:
    (tmp_path / f"{NAME}.zip").write_bytes(GOOD)
    assert fetch(archive, tmp_path) == (0, True)
    assert server.asked == []


@pytest.mark.parametrize("chunked", [False, True])
def test_a_download_that_broke_off_goes_on_where_it_was(
    server: Server, archive: Archive, tmp_path: Path, chunked: bool
) -> None:
    server.breaks_at, server.chunked = 100, chunked
    if chunked:  # what is lost of the block that broke is asked for again
        (tmp_path / f"{NAME}.zip.part").write_bytes(GOOD[:50])
    with pytest.raises(DataError, match=r"broke off after .*; the same command goes on from there"):
        fetch(archive, tmp_path)
    kept = (tmp_path / f"{NAME}.zip.part").read_bytes()
    assert GOOD.startswith(kept)
    assert len(kept) == (50 if chunked else 100)
    server.breaks_at = None
    assert fetch(archive, tmp_path) == (len(GOOD) - len(kept), True)
    assert server.asked[-1] == f"bytes={len(kept)}-"
    assert here(tmp_path) == {NAME, f"{NAME}.zip"}


def test_a_server_that_ignores_range_sends_it_anew(server: Server, archive: Archive, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.zip.part").write_bytes(GOOD[:100])
    server.knows_range = False
    assert fetch(archive, tmp_path) == (len(GOOD), True)
    assert server.asked == ["bytes=100-"]


def test_a_download_that_only_lacked_its_name_needs_no_server(
    server: Server, archive: Archive, tmp_path: Path
) -> None:
    (tmp_path / f"{NAME}.zip.part").write_bytes(GOOD)
    assert fetch(archive, tmp_path) == (0, True)
    assert server.asked == []


@pytest.mark.parametrize("kept", [b"x" * 100, b"x" * len(GOOD), b"x" * (len(GOOD) + 1)], ids=len)
def test_what_was_kept_of_another_file_is_fetched_anew(
    server: Server, archive: Archive, tmp_path: Path, kept: bytes
) -> None:
    (tmp_path / f"{NAME}.zip.part").write_bytes(kept)
    fetch(archive, tmp_path)
    assert server.asked[-1] is None
    assert (tmp_path / f"{NAME}.zip").read_bytes() == GOOD


@pytest.mark.parametrize(
    "other",
    [GOOD[:-1] + b"x", GOOD + b"more", GOOD[:60]],
    ids=["same size", "longer", "shorter than what was kept"],
)
@pytest.mark.parametrize("kept", [b"", GOOD[:100]], ids=len)
def test_a_file_that_is_not_the_one_expected_is_named_by_both_hashes(
    server: Server, archive: Archive, tmp_path: Path, other: bytes, kept: bytes
) -> None:
    server.content = other
    if kept:
        (tmp_path / f"{NAME}.zip.part").write_bytes(kept)
    with pytest.raises(DataError) as raised:
        fetch(archive, tmp_path)
    said = str(raised.value)
    assert f"has {len(other):,} bytes and sha256 {hashlib.sha256(other).hexdigest()}" in said
    assert f"{len(GOOD):,} bytes and sha256 {archive.sha256}" in said
    assert "a newer asmg may know it, or unpack it by hand and give --data its folder" in said
    assert here(tmp_path) == set()


def test_a_file_without_end_is_not_read_to_its_end(
    server: Server, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MOST", 1_000)
    server.content, server.breaks_at = bytes(2_000), 1_500
    with pytest.raises(DataError, match=f"goes on after 1,000 bytes, not {len(GOOD)};"):
        fetch(archive, tmp_path)
    assert here(tmp_path) == set()


def test_an_archive_that_was_changed_is_named_and_kept(
    server: Server, archive: Archive, tmp_path: Path
) -> None:
    (tmp_path / f"{NAME}.zip").write_bytes(b"older")
    with pytest.raises(DataError, match=f"{NAME}.zip has 5 bytes and sha256 .* {archive.sha256} "):
        fetch(archive, tmp_path)
    assert (tmp_path / f"{NAME}.zip").read_bytes() == b"older"


@pytest.mark.parametrize("change", ["longer", "same size", "missing"])
def test_a_folder_that_was_changed_is_named_and_kept(
    server: Server, archive: Archive, tmp_path: Path, change: str
) -> None:
    fetch(archive, tmp_path)
    file = tmp_path / NAME / "movies.csv"
    if change == "missing":
        file.unlink()
    else:
        file.write_bytes(FILES["movies.csv"][:-1] + (b"xx" if change == "longer" else b"x"))
    before = {path.name: path.read_bytes() for path in (tmp_path / NAME).iterdir()}
    with pytest.raises(DataError, match=re.escape(f"{file} is not the one in ")):
        fetch(archive, tmp_path)
    assert {path.name: path.read_bytes() for path in (tmp_path / NAME).iterdir()} == before


def test_without_network_the_host_and_the_mend_are_named(archive: Archive, tmp_path: Path) -> None:
    nobody = replace(archive, address="http://127.0.0.1:1/x.zip")
    (tmp_path / f"{NAME}.zip.part").write_bytes(GOOD[:100])
    with pytest.raises(DataError) as raised:
        fetch(nobody, tmp_path)
    assert re.fullmatch(
        "no answer from 127.0.0.1: .*refused; give --data a folder you have instead", str(raised.value)
    )
    assert (tmp_path / f"{NAME}.zip.part").read_bytes() == GOOD[:100]


def test_a_server_that_refuses_is_named_with_its_answer(
    server: Server, archive: Archive, tmp_path: Path
) -> None:
    server.status = 404
    with pytest.raises(DataError, match=r"127.0.0.1 answers 404 for http://.*; give --data a folder"):
        fetch(archive, tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "../outside.csv",
        f"{NAME}/../../outside.csv",
        "/outside.csv",
        "outside.csv",
        f"{NAME}/..\\..\\outside.csv",
    ],
)
def test_a_member_outside_the_folder_is_refused_and_nothing_is_unpacked(
    server: Server, expected: Callable[[bytes], Archive], tmp_path: Path, name: str
) -> None:
    server.content = packed({**{f"{NAME}/{one}": content for one, content in FILES.items()}, name: b"x"})
    out = tmp_path / "out"
    with pytest.raises(DataError, match=f"lies outside {NAME}/"):
        fetch(expected(server.content), out)
    assert here(out) == {f"{NAME}.zip"}
    assert here(tmp_path) == {"out"}


def test_a_link_is_refused(server: Server, expected: Callable[[bytes], Archive], tmp_path: Path) -> None:
    held = io.BytesIO(GOOD)
    with zipfile.ZipFile(held, "a") as file:
        link = zipfile.ZipInfo(f"{NAME}/links.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
    server.content = held.getvalue()
    with pytest.raises(DataError, match=r"links.csv' is neither file nor folder"):
        fetch(expected(server.content), tmp_path)
    assert here(tmp_path) == {f"{NAME}.zip"}


def test_only_the_files_expected_are_unpacked(
    server: Server, expected: Callable[[bytes], Archive], tmp_path: Path
) -> None:
    more = {f"{NAME}/run.sh": b"x", f"{NAME}/deeper/ratings.csv": b"x"}
    server.content = packed({**{f"{NAME}/{one}": content for one, content in FILES.items()}, **more})
    fetch(expected(server.content), tmp_path)
    assert here(tmp_path / NAME) == set(FILES)


def test_files_bigger_than_allowed_or_missing_are_refused(
    server: Server, archive: Archive, tmp_path: Path
) -> None:
    size = sum(map(len, FILES.values()))
    with pytest.raises(DataError, match=f"would unpack to {size} bytes; {size - 1} are allowed"):
        fetch(replace(archive, unpacked=size - 1), tmp_path)
    with pytest.raises(DataError, match=f"lacks {NAME}/tags.csv"):
        fetch(replace(archive, files=(*archive.files, "tags.csv")), tmp_path)
    assert here(tmp_path) == {f"{NAME}.zip"}
    fetch(replace(archive, unpacked=size), tmp_path)


def test_a_zip_with_a_damaged_member_leaves_no_folder(
    server: Server, expected: Callable[[bytes], Archive], tmp_path: Path
) -> None:
    with zipfile.ZipFile(io.BytesIO(GOOD)) as file:
        begin = file.getinfo(f"{NAME}/ratings.csv").header_offset + 30 + len(f"{NAME}/ratings.csv")
    server.content = GOOD[:begin] + b"\xff" * 8 + GOOD[begin + 8 :]
    with pytest.raises(DataError, match="cannot be unpacked"):
        fetch(expected(server.content), tmp_path)
    assert here(tmp_path) == {f"{NAME}.zip"}


def test_what_a_killed_one_had_unpacked_is_taken_away(
    server: Server, archive: Archive, tmp_path: Path
) -> None:
    (tmp_path / f"{NAME}.unpacking").mkdir()
    (tmp_path / f"{NAME}.unpacking" / "ratings.csv").write_text("half")
    fetch(archive, tmp_path)
    assert here(tmp_path) == {NAME, f"{NAME}.zip"}
    assert (tmp_path / NAME / "ratings.csv").read_bytes() == FILES["ratings.csv"]


def test_two_do_not_write_to_one_folder(server: Server, archive: Archive, tmp_path: Path) -> None:
    with (tmp_path / LOCK).open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ConfigurationError, match="another `asmg data get` is writing to "):
            fetch(archive, tmp_path)
    assert server.asked == []


def test_the_command_prints_the_folder_or_json(
    server: Server, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "ARCHIVES", {"tiny": archive})
    monkeypatch.chdir(tmp_path)
    first = CliRunner().invoke(app, ["data", "get", "tiny"], catch_exceptions=False)
    assert first.stdout == f"data/{NAME}\n"
    assert first.stderr == f"tiny: {len(GOOD)} bytes downloaded; README.txt has the terms of use\n"
    again = CliRunner().invoke(app, ["data", "get", "tiny", "--json"], catch_exceptions=False)
    assert again.stderr == ""
    assert json.loads(again.stdout) == {
        "dataset": "tiny",
        "folder": f"data/{NAME}",
        "archive": f"data/{NAME}.zip",
        "sha256": archive.sha256,
        "files": {name: len(content) for name, content in FILES.items()},
        "downloaded": 0,
        "unpacked": False,
    }


def test_data_goes_where_out_or_the_setting_says(
    server: Server, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "ARCHIVES", {"tiny": archive})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASMG_DATA_DIR", "set")
    assert CliRunner().invoke(app, ["data", "get", "tiny"]).stdout == f"set/{NAME}\n"
    assert CliRunner().invoke(app, ["data", "get", "tiny", "--out", "told"]).stdout == f"told/{NAME}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["movielens-25m"], "no answer from files.grouplens.org: .*; give --data a folder you have instead"),
        (
            ["movielens-1b"],
            "there is no data set 'movielens-1b' to get; there are movielens-small and movielens-25m",
        ),
        (["movielens-small", "--out", "file"], "file cannot be used: File exists"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, words: list[str], said: str) -> None:
    (tmp_path / "file").touch()
    found = subprocess.run(
        [sys.executable, "-m", "asmg", "data", "get", *words],
        cwd=tmp_path,
        env={**os.environ, "https_proxy": "http://127.0.0.1:1", "no_proxy": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (found.returncode, found.stdout) == (1, "")
    assert re.fullmatch(f"asmg: {said}\n", found.stderr)


@pytest.mark.parametrize("archive", ARCHIVES.values(), ids=ARCHIVES)
def test_every_data_set_is_pinned_and_comes_over_https(archive: Archive) -> None:
    assert archive.address == f"https://files.grouplens.org/datasets/movielens/{archive.name}.zip"
    assert re.fullmatch("[0-9a-f]{64}", archive.sha256)
    assert {"README.txt", "ratings.csv", "movies.csv"} <= set(archive.files)
    assert archive.size < archive.unpacked
    assert archive.size < download.MOST
