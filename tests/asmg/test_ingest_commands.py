"""`asmg ingest` and `asmg check` before there is any Kafka: settings that make no sense are one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from asmg.check_screen import drawn
from asmg.options import settings_of
from stream.errors import ConfigurationError


def asmg(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "asmg", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def test_without_a_mapping_ingest_says_how_to_get_one_and_starts_nothing(tmp_path):
    done = asmg(tmp_path, "ingest")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "asmg: ingest.sources is empty: `asmg check --topic NAME` proposes a [[ingest.sources]] for asmg.toml"
    ]
    assert list(tmp_path.iterdir()) == []


def test_tables_of_asmg_toml_are_read_and_a_wrong_one_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = '[[ingest.sources]]\ntopic = "t"\nkind = "click"\nuser = "u"\nitem = "i"\ntime = "at"\n'
    (tmp_path / "asmg.toml").write_text(table)
    assert settings_of(None).ingest.sources[0].item == "i"
    (tmp_path / "asmg.toml").write_text(table + 'time_unit = "days"\n')
    with pytest.raises(
        ConfigurationError, match=r"^setting ingest.sources.0.time_unit: .*\(given: 'days'\)$"
    ):
        settings_of(None)


def test_a_check_that_found_nothing_is_drawn_too():
    nothing = {"topics": [], "join": {}, "warnings": [], "usable": False, "proposed": None}
    parts = list(drawn(nothing | {"not_understood": {"t": "it holds no record"}}))
    assert [str(one).strip() for one in parts] == [
        "t: not understood: it holds no record",
        "Nothing is usable.",
    ]
