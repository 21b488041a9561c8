"""The command line's words as settings: each in its place, nonsense named."""

from pathlib import Path

import pytest

from asmg.options import pace_of, setting_of, settings_of, source_of, speed_of
from stream.errors import ConfigurationError, DataError


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_flag_goes_before_all_else_and_the_last_of_one_name_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASMG_STREAM_LATENESS", "5s")
    settings = settings_of(["stream.lateness=10s", "stream.lateness=20s"], Path("there"))
    assert settings.stream.lateness == 20_000
    assert settings.home == Path("there")


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        ("stream", "period_span", None),
        ("stream", "period_count", 12),
        ("kafka", "prefix", "mine."),
        ("kafka", "options", {"security.protocol": "SSL"}),
        ("metagen", "residual", False),
    ],
)
def test_a_setting_written_for_a_worker_is_read_back_as_it_was(
    section: str, field: str, value: object
) -> None:
    settings = settings_of([setting_of(section, field, value)])
    assert getattr(getattr(settings, section), field) == value


def test_a_null_takes_back_what_the_file_says(tmp_path: Path) -> None:
    (tmp_path / "asmg.toml").write_text('[stream]\nperiod_span = "1d"\n')
    assert settings_of([]).stream.period_span == 86_400_000
    assert settings_of(["stream.period_span=null"]).stream.period_span is None


@pytest.mark.parametrize("flag", ["lateness=3", "stream.lateness", "=3", "stream.=3", "kafka.options={"])
def test_a_flag_of_another_form_is_named(flag: str) -> None:
    with pytest.raises(ConfigurationError, match="--set "):
        settings_of([flag])


@pytest.mark.parametrize("speed", ["0", "-1", "soon", "nan"])
def test_a_speed_is_above_0_or_max(speed: str) -> None:
    assert speed_of("max") == float("inf")
    assert speed_of("1.5") == 1.5
    with pytest.raises(ConfigurationError, match="--speed"):
        speed_of(speed)


def test_a_pace_is_one_of_two() -> None:
    assert (pace_of("trained"), pace_of("max")) == ("trained", "max")
    with pytest.raises(ConfigurationError, match="--pace"):
        pace_of("slow")


def test_without_a_path_it_is_the_synthetic_shop_of_the_seed() -> None:
    dataset, shop = source_of(None, None, events=1_000, seed=3)
    assert dataset == "synthetic"
    assert shop.name == source_of(None, "synthetic", events=1_000, seed=3)[1].name
    assert shop.name != source_of(None, None, events=1_000, seed=4)[1].name


def test_only_the_synthetic_shop_makes_as_many_events_as_asked(tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_text("user_id,item_id,timestamp\nu,i,1\n")
    with pytest.raises(ConfigurationError, match="--events is for the synthetic shop"):
        source_of(tmp_path, None, events=10)
    assert source_of(tmp_path, None)[0] == "clicks"
    with pytest.raises(DataError, match="there is no such file"):
        source_of(tmp_path / "none", None)
