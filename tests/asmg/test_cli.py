"""The command line as a user meets it: quick to help, and one line for what is wrong."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

COMMANDS = ("demo", "replay", "window", "train", "metagen", "serve", "live", "status", "warmup", "bench")


def asmg(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "asmg", *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,  # beside whatever else the machine does
        check=False,
    )


def test_help_names_every_command_and_loads_nothing_that_is_slow(tmp_path: Path) -> None:
    found = asmg("--help", folder=tmp_path)
    assert found.returncode == 0
    assert all(f"\n  {command} " in found.stdout for command in COMMANDS)
    seen = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "asmg", "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    imported = {line.rpartition("|")[2].strip() for line in seen.splitlines()}
    assert not imported & {"torch", "numpy", "pyarrow", "pydantic", "fastapi", "confluent_kafka", "numba"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["demo", "--data", "none"], "none: there is no such file or folder"),
        (["demo", "--data", "wrong.csv"], "wrong.csv: has no column 'item_id'"),
        (["replay", "--data", "bad.csv"], "bad.csv:3: timestamp"),
        (["replay", "--data", "torn.csv.gz"], "torn.csv.gz: cannot be read"),
        (["demo", "--dataset", "kitchen"], "there is no data set 'kitchen'"),
        (["demo", "--data", ".", "--dataset", "movielens"], "ratings.csv"),
        (["demo", "--set", "stream.lateness=soon"], "setting stream.lateness"),
        (["demo", "--set", "kitchen.sink=1"], "setting kitchen"),
        (["demo", "--speed", "quick"], "--speed is a number above 0 or 'max', not 'quick'"),
        (["demo", "--pace", "slow"], "--pace is 'trained' or 'max', not 'slow'"),
        (["demo", "--json", "none/figures.json"], "none/figures.json cannot be written"),
        (["demo", "--resume"], "there is no demo to go on with in .asmg/demo"),
        (["demo", "--home", "."], "no demo put there"),
        (["demo", "--events", "100", "--periods", "200"], "80 samples cannot make 200 periods"),
        (["demo", "--since", "2024-02-01", "--until", "2024-01-01"], "is not after since"),
        (["status"], "nothing ever ran in .asmg"),
        (["warmup"], "set stream.period_count or stream.period_span"),
        (
            ["warmup", "--archive", "x.", "--events", "9", "--set", "stream.period_count=5"],
            "--archive is all of an archive: leave --data and its flags away",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_begun(
    tmp_path: Path, words: list[str], said: str
) -> None:
    (tmp_path / "wrong.csv").write_text("user_id,thing,timestamp\nu,i,1\n")
    (tmp_path / "bad.csv").write_text("user_id,item_id,timestamp\nu,i,1\nu,i,soon\n")
    (tmp_path / "torn.csv.gz").write_bytes(b"\x1f\x8b\x08\x00torn")
    found = asmg(*words, folder=tmp_path)
    assert found.returncode == 1
    assert found.stdout == ""
    (line,) = found.stderr.splitlines()
    assert line.startswith("asmg: ")
    assert said in line
    assert not (tmp_path / ".asmg" / "demo" / "kafka").exists()


def test_a_kafka_that_is_not_there_is_named_within_seconds(tmp_path: Path) -> None:
    commands = ["demo", "replay", "window", "train", "metagen", "serve", "live", "status"]
    with ThreadPoolExecutor(4) as together:  # they wait more than they work
        ended = together.map(
            lambda one: asmg(one, folder=tmp_path, ASMG_KAFKA_BOOTSTRAP="127.0.0.1:1"), commands
        )
        for command, found in zip(commands, ended, strict=True):
            assert found.returncode == 1, command
            (line,) = found.stderr.splitlines()
            assert line.startswith("asmg: no Kafka answers at 127.0.0.1:1: "), command
            assert line.endswith("is it running?"), command
