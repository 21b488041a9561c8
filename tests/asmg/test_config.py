"""Flags, environment and file, in that order; and a wrong setting is named."""

from pathlib import Path

import pytest

from asmg.config import load
from stream.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "asmg.toml").write_text('[stream]\nperiod_count = 100\nlateness = "90s"\n')
    assert load().stream.period_count == 100
    assert load().stream.lateness == 90_000


def test_environment_goes_before_the_file_and_flags_before_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "asmg.toml").write_text('[stream]\nperiod_count = 100\nlateness = "90s"\n')
    monkeypatch.setenv("ASMG_STREAM_PERIOD_COUNT", "200")
    monkeypatch.setenv("ASMG_KAFKA_BOOTSTRAP", "here:9092")
    assert load().stream.period_count == 200
    assert load().kafka.bootstrap == "here:9092"
    merged = load({"stream": {"period_count": 300}})
    assert (merged.stream.period_count, merged.stream.lateness) == (300, 90_000)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[stream]\npartition = 3\n", "stream.partition"),
        ('[stream]\nlateness = "soon"\n', "stream.lateness"),
        ("[trainer]\nbatch = 0\n", "trainer.batch"),
        ("[stream\n", r"^asmg\.toml cannot be read"),
        ("[kitchen]\nsink = 1\n", "setting kitchen: there is no such setting: docs/configuration.md"),
        ("[stream]\nperiod_cuont = 3\n", r"stream\.period_cuont: .* is period_count meant\?"),
        (
            '[[ingest.sources]]\ntopic = "t"\nkind = "click"\n'
            'user = "u"\nitem = "i"\ntime = "t"\nslat = "s"\n',
            r"ingest\.sources\.0\.slat: .* is slate meant\?",
        ),
        ('[[ingest.sources]]\nkind = "click"\n', r"ingest\.sources\.0\.topic: it has to be set"),
        (
            '[trainer]\nstrategy = "sml-mf"\n',
            "generator asmg-plus adds to an MLP, and trainer.strategy sml-mf",
        ),
        ('[trainer]\nbase = "my_model.py"\n', "trainer.base"),
        (
            '[trainer]\nbase = "my_model:Dcn"\nstrategy = "sml"\n',
            "trainer.strategy sml knows the built-in .* trainer.base is my_model:Dcn",
        ),
        (
            '[trainer]\nbase = "my_model:Dcn"\nproducts = true\n',
            "trainer.products is the built-in base model's, and trainer.base is my_model:Dcn",
        ),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "asmg.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=named) as caught:
        load()
    assert "\n" not in str(caught.value)


def test_matrix_factorisation_goes_with_generators_that_take_any_model(tmp_path: Path) -> None:
    text = '[trainer]\nstrategy = "sml-mf"\n[metagen]\ngenerator = "asmg-gru-multi"\n'
    (tmp_path / "asmg.toml").write_text(text)
    assert load().trainer.strategy == "sml-mf"


def test_a_base_of_ones_own_is_set_like_everything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASMG_TRAINER_BASE", "my_model:Dcn")
    assert load().trainer.base == "my_model:Dcn"
    assert load({"trainer": {"base": None}}).trainer.base is None


def test_a_file_that_is_named_and_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASMG_CONFIG", "elsewhere.toml")
    with pytest.raises(ConfigurationError, match=r"elsewhere\.toml"):
        load()
