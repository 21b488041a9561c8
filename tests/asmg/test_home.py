"""A demo's folder: wiped only where a demo marked it, held by one demo, and remembered."""

import subprocess
import sys
from pathlib import Path

import pytest

from asmg.home import KEPT, MARKER, Told, begin, claimed, recall, remember
from stream.errors import ConfigurationError


def fill(home: Path) -> None:
    for name in KEPT:
        (home / name).mkdir(parents=True)
        (home / name / "something").write_text("kept")


def test_a_fresh_demo_takes_away_what_the_demo_before_left_and_nothing_else(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    with claimed(home):
        begin(home, Told())
        fill(home)
        (home / "notes").write_text("mine")
    with claimed(home):
        begin(home, Told(periods=3))
    assert sorted(child.name for child in home.iterdir() if child.name not in ("demo.lock", MARKER)) == [
        "notes"
    ]


@pytest.mark.parametrize("name", ["kafka", "letter.txt"])
def test_a_folder_that_is_no_demos_is_refused_and_left_as_it_was(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with (
        pytest.raises(ConfigurationError, match=r"no demo put there \(it has no demo\.json\)"),
        claimed(tmp_path),
    ):
        pass
    with pytest.raises(ConfigurationError, match="no demo put there"):
        begin(tmp_path, Told())
    assert [child.name for child in tmp_path.iterdir()] == [name]


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="file is no folder"), claimed(tmp_path / "file"):
        pass


def test_two_demos_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        claimed(tmp_path),
        pytest.raises(ConfigurationError, match="another demo runs in"),
        claimed(tmp_path),
    ):
        pass


def test_a_demo_waits_for_the_workers_that_a_killed_one_left_behind(tmp_path: Path) -> None:
    """The worker inherits the lock; the demo that took it is no more."""
    take = f"""
import os, subprocess, sys
from pathlib import Path
from asmg.home import claimed
with claimed(Path({str(tmp_path)!r})) as lock:
    worker = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[lock])
    print("held", flush=True)
    os.read(0, 1)
    os._exit(1)
"""
    with subprocess.Popen(
        [sys.executable, "-c", take], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as demo:
        assert demo.stdout is not None
        assert demo.stdin is not None
        assert demo.stdout.readline() == b"held\n"
        demo.kill()
        demo.wait()
        with claimed(tmp_path):
            assert recall(tmp_path) is None


def test_what_a_demo_was_told_is_remembered(tmp_path: Path) -> None:
    told = Told(data="/there", periods=31, sets=("stream.partitions=1",), prefix="mine.")
    remember(tmp_path, told)
    assert recall(tmp_path) == told


def test_a_marker_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert recall(tmp_path) is None
    (tmp_path / MARKER).write_text("{")
    with pytest.raises(ConfigurationError, match=r"demo\.json cannot be read"):
        recall(tmp_path)
