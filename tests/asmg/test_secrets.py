"""Passwords come from the environment alone, and nothing that is printed shows one."""

from pathlib import Path

import pytest

from asmg.config import load
from asmg.options import settings_of
from asmg.workers import durable_of, store_of
from stream.errors import ConfigurationError
from stream.store import ParquetStore, TieredStore

#: What must not be seen anywhere.
SECRET = "hush-hush"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_redis_is_set_by_the_environment_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASMG_REDIS_URL", f"rediss://worker:{SECRET}@cache:6380/2")
    monkeypatch.setenv("ASMG_REDIS_PASSWORD", SECRET)
    monkeypatch.setenv("ASMG_REDIS_USERNAME", "worker")
    monkeypatch.setenv("ASMG_REDIS_MAX_BYTES", "2000000")
    monkeypatch.setenv("ASMG_REDIS_TTL", "2h")
    settings = load()
    assert settings.redis.url.get_secret_value() == f"rediss://worker:{SECRET}@cache:6380/2"
    assert (settings.redis.max_bytes, settings.redis.ttl) == (2_000_000, 7_200_000)
    store = store_of(settings)
    assert isinstance(store, TieredStore)
    shown = f"{settings}{settings!r}{settings.model_dump()}{settings.model_dump_json()}{vars(store)}"
    assert SECRET not in shown


def test_without_redis_the_store_is_the_durable_one(tmp_path: Path) -> None:
    settings = load({"home": tmp_path / "home"})
    store = store_of(settings)
    assert isinstance(store, ParquetStore)
    assert store.folder == tmp_path / "home" / "store"


def test_checkpoints_do_not_go_through_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASMG_REDIS_URL", "redis://cache")
    assert isinstance(durable_of(load()), ParquetStore)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (f'password = "{SECRET}"', "ASMG_REDIS_PASSWORD"),
        (f'username = "{SECRET}"', "ASMG_REDIS_USERNAME"),
        (f'url = "redis://:{SECRET}@cache"', "ASMG_REDIS_URL"),
        (f'url = "redis://cache?password={SECRET}"', "ASMG_REDIS_URL"),
    ],
)
def test_a_secret_in_the_file_or_a_flag_is_refused(tmp_path: Path, line: str, named: str) -> None:
    (tmp_path / "asmg.toml").write_text(f"[redis]\n{line}\n")
    with pytest.raises(ConfigurationError, match=rf"asmg\.toml .*{named}") as caught:
        load()
    assert SECRET not in str(caught.value)
    (tmp_path / "asmg.toml").unlink()
    with pytest.raises(ConfigurationError, match=f"flag .*{named}") as caught:
        settings_of(["redis." + line.replace(" = ", "=").replace('"', "")])
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("name", ["rank_token", "admin_token"])
def test_a_token_comes_from_the_environment_alone_and_is_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    variable, token = f"ASMG_SERVING_{name.upper()}", f"{SECRET}-0123456789abcdef"
    (tmp_path / "asmg.toml").write_text(f'[serving]\n{name} = "{token}"\n')
    with pytest.raises(ConfigurationError, match=rf"asmg\.toml .*{variable}") as caught:
        load()
    assert SECRET not in str(caught.value)
    (tmp_path / "asmg.toml").unlink()
    with pytest.raises(ConfigurationError, match=f"flag .*{variable}"):
        settings_of([f"serving.{name}={token}"])
    monkeypatch.setenv(variable, token)
    settings = load()
    assert getattr(settings.serving, name).get_secret_value() == token
    assert SECRET not in f"{settings}{settings!r}{settings.model_dump()}{settings.model_dump_json()}"
    monkeypatch.setenv(variable, "")  # as Compose hands on what is not set
    assert getattr(load().serving, name) is None


@pytest.mark.parametrize("name", ["registry_password", "password", "registry_username", "username"])
def test_the_registry_s_password_is_refused_in_the_file_and_a_flag(tmp_path: Path, name: str) -> None:
    variable = f"ASMG_REGISTRY_{name.rpartition('_')[2].upper()}"
    (tmp_path / "asmg.toml").write_text(f'[ingest]\n{name} = "{SECRET}"\n')
    with pytest.raises(ConfigurationError, match=rf"^ingest\.{name} of asmg\.toml .*{variable}") as caught:
        load()
    assert SECRET not in str(caught.value)
    (tmp_path / "asmg.toml").unlink()
    with pytest.raises(ConfigurationError, match=f"a flag .*{variable}"):
        settings_of([f"ingest.{name}={SECRET}"])


@pytest.mark.parametrize("section", ["kafka", "ingest"])
@pytest.mark.parametrize(
    "option", ["sasl.password", "ssl.key.password", "ssl.key.pem", "sasl.oauthbearer.client.secret"]
)
def test_a_secret_among_kafka_s_options_comes_from_the_environment_and_joins_those_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str, option: str
) -> None:
    variable = f"ASMG_{section.upper()}_OPTIONS"
    plain = '"sasl.mechanism" = "PLAIN", "ssl.key.location" = "/key.pem"'
    (tmp_path / "asmg.toml").write_text(f'[{section}]\noptions = {{ {plain}, "{option}" = "{SECRET}" }}\n')
    with pytest.raises(
        ConfigurationError, match=rf"^{section}\.options of asmg\.toml .*{variable}"
    ) as caught:
        load()
    assert option in str(caught.value)
    assert SECRET not in str(caught.value)
    (tmp_path / "asmg.toml").write_text(f"[{section}]\noptions = {{ {plain} }}\n")
    with pytest.raises(ConfigurationError, match=f"a flag .*{variable}"):
        settings_of([f'{section}.options={{"{option}": "{SECRET}"}}'])
    monkeypatch.setenv(variable, f'{{"{option}": "{SECRET}"}}')
    assert getattr(load(), section).options == {
        "sasl.mechanism": "PLAIN",
        "ssl.key.location": "/key.pem",
        option: SECRET,
    }


def test_a_url_without_a_secret_may_be_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "asmg.toml").write_text('[redis]\nurl = "redis://cache:6379"\n')
    assert load().redis.url.get_secret_value() == "redis://cache:6379"


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("ASMG_REDIS_URL", f"http://:{SECRET}@cache", "redis.url"),
        ("ASMG_REDIS_URL", f"redis://user:/{SECRET}@cache", "redis.url"),
        ("ASMG_REDIS_URL", f"redis://user:pa/ss:{SECRET}@cache", "redis.url"),
        ("ASMG_REDIS_URL", f"redis://user:[{SECRET}@cache", "redis.url"),
        ("ASMG_REDIS_URL", f"redis://user:\u2100{SECRET}@cache", "redis.url"),
        ("ASMG_STORE_FOLDER", f"s3://key:\u2100{SECRET}@bucket/place", "store.folder"),
        ("ASMG_REDIS_PASSWD", SECRET, "redis.passwd"),
        ("ASMG_SERVING_RANK_TOKEN", SECRET, "serving.rank_token"),
        ("ASMG_SERVING_ADMIN_TOKN", SECRET, "serving.admin_tokn"),
        ("ASMG_SERVING", f'["{SECRET}"]', "serving"),
        ("ASMG_REDIS", f"{{{SECRET}", "redis"),
        ("ASMG_REDIS", f'["{SECRET}"]', "redis"),
        ("ASMG_REDIS", f'{{"password": ["{SECRET}"]}}', "redis.password"),
        ("ASMG_STORE_FOLDER", f"s3://key:{SECRET}@bucket/place", "store.folder"),
        ("ASMG_STORE_FOLDER", f"s4://key:{SECRET}@bucket/place", "store.folder"),
        ("ASMG_STORE_FOLDER", "s3:/bucket", "store.folder"),
        ("ASMG_KAFKA_OPTIONS", f'{{"sasl.password": ["{SECRET}"]}}', "kafka.options"),
    ],
)
def test_no_error_shows_what_may_be_a_secret(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, named: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=named) as caught:
        load()
    assert SECRET not in f"{caught.value}{caught.value.__cause__}"
    assert "\n" not in str(caught.value)


def test_credentials_in_a_uri_are_refused_with_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASMG_STORE_FOLDER", "s3://key:secret@bucket/place")
    with pytest.raises(ConfigurationError, match="AWS_ACCESS_KEY_ID"):
        load()
