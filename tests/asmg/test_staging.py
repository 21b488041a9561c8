"""What a demo sets for its workers: only what the user left open, and nothing that cannot work."""

import socket
from pathlib import Path

import pytest

from asmg import staging
from asmg.options import settings_of
from stream.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("samples", "periods", "count"), [(993_483, 31, 32_048), (100, 10, 10), (7, 7, 1)])
def test_periods_are_as_many_as_asked_and_all_but_the_last_are_equal(
    samples: int, periods: int, count: int
) -> None:
    found = staging.closing(settings_of([]), samples, periods)
    assert found == {"period_count": count, "period_span": None}
    assert -(-samples // count) == periods


def test_without_a_number_the_configuration_says_what_closes_a_period() -> None:
    assert staging.closing(settings_of(["stream.period_span=1d"]), 1_000, None) == {}
    assert staging.closing(settings_of(["stream.period_count=5"]), 1_000, None) == {}
    assert staging.closing(settings_of([]), 3_100, None)["period_count"] == 100


def test_a_number_of_periods_goes_before_the_configuration() -> None:
    found = staging.closing(settings_of(["stream.period_span=1d"]), 1_000, 4)
    assert found == {"period_count": 250, "period_span": None}


def test_more_periods_than_samples_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="3 samples cannot make 4 periods"):
        staging.closing(settings_of([]), 3, 4)


def test_users_of_click_logs_share_rows_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def rows(dataset: str, *flags: str) -> object:
        overrides = staging.staged(settings_of(flags), dataset, 1_000, 10)
        return overrides.get("trainer", {}).get("user_rows")

    assert rows("clicks") == rows("tmall") == rows("sobazaar") == "hash:20000"
    assert rows("movielens") is rows("synthetic") is None
    assert rows("clicks", "trainer.user_rows=grow") is None
    monkeypatch.setenv("ASMG_TRAINER_USER_ROWS", "grow")
    assert rows("clicks") is None


def test_logged_impressions_are_stamped_with_the_streams_time_unless_the_user_says_otherwise() -> None:
    assert staging.staged(settings_of([]), "synthetic", 1_000, 10)["serving"] == {"clock": "stream"}
    assert "serving" not in staging.staged(settings_of(["serving.clock=wall"]), "synthetic", 1_000, 10)


def test_what_is_set_reaches_a_worker_as_it_was_meant() -> None:
    sets = staging.written(
        staging.staged(settings_of([]), "clicks", 1_000, 10),
        staging.ported({"train": 1, "metagen": 2, "serve": 3, "serve-metrics": 4, "live": 5}),
    )
    settings = settings_of(sets)
    assert (settings.stream.period_count, settings.stream.period_span) == (100, None)
    assert settings.trainer.user_rows == "hash:20000"
    assert (settings.trainer.metrics_port, settings.metagen.metrics_port) == (1, 2)
    assert settings.live.metrics_port == 5
    assert (settings.serving.port, settings.serving.metrics_port, settings.serving.clock) == (3, 4, "stream")


def test_a_port_that_is_taken_is_replaced_by_one_that_is_free() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = staging.ports(settings_of([f"serving.port={port}"]), windows=2)
    assert found["serve"] != port
    assert {
        "window-1",
        "window-2",
        "train",
        "metagen",
        "shadow",
        "live",
        "archive",
        "serve",
        "serve-metrics",
        "replay",
    } == found.keys()
    assert len(set(found.values())) == len(found)


def test_the_port_of_page_and_api_is_free_where_serving_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.2", 0))
        taken.listen()
        port = taken.getsockname()[1]
        there = staging.ports(settings_of([f"serving.port={port}", "serving.host=127.0.0.2"]), windows=1)
        elsewhere = staging.ports(settings_of([f"serving.port={port}", "serving.host=127.0.0.3"]), windows=1)
    assert (there["serve"] == port, elsewhere["serve"]) == (False, port)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"serving\.host 192\.0\.2\.77: nothing can listen there"):
        staging.ports(settings_of(["serving.host=192.0.2.77"]), windows=1)
