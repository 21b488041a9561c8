"""Nothing listens where another machine could reach it, unless a token is asked for."""

import threading
from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import ValidationError

from serving.settings import ServingSettings, require_guarded
from serving.worker import serve
from stream.errors import ConfigurationError
from stream.samples import Samples
from stream.settings import StreamSettings
from stream.store import ParquetStore
from stream.topics import Topics
from trainer.kafka import Workplace
from trainer.settings import TrainerSettings

TOKEN = "0123456789abcdef"
REACHED = ["0.0.0.0", "::", "192.168.1.7", "shop.example", ""]


def of(**given: Any) -> ServingSettings:
    return ServingSettings.model_validate(given)


def worker(tmp_path: Path, settings: ServingSettings) -> None:
    place = Workplace({}, Topics("t."), ParquetStore(tmp_path), lambda _manifest: Samples.empty(), 0)
    serve(place, StreamSettings(), TrainerSettings(), settings, threading.Event())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_loopback_is_allowed(host: str) -> None:
    require_guarded(of(host=host))


@pytest.mark.parametrize("host", REACHED)
def test_any_other_address_is_refused_without_a_token(host: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"ASMG_SERVING_RANK_TOKEN and ASMG_SERVING_ADMIN_TOKEN .*loopback"
    ):
        require_guarded(of(host=host, rank_token="", admin_token=""))
    require_guarded(of(host=host, rank_token=TOKEN))
    require_guarded(of(host=host, admin_token=TOKEN))


def test_a_worker_that_is_told_to_listen_to_everybody_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="loopback"):
        worker(tmp_path, of(host="0.0.0.0", port=0, metrics_port=0))


@pytest.mark.parametrize(
    "token", ["short", "x" * 257, "with a space in it", f"{TOKEN},", f",{TOKEN}", f"{TOKEN}é", f"{TOKEN}\n"]
)
def test_a_token_that_cannot_be_sent_or_be_guessed_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ValidationError) as told:
        of(admin_token=token)
    assert "openssl rand" in told.value.errors()[0]["msg"]
    assert token not in told.value.errors()[0]["msg"]


def test_both_scopes_may_not_have_one_token() -> None:
    with pytest.raises(ValidationError, match="the same"):
        of(admin_token=TOKEN, rank_token=f"{'z' * 16},{TOKEN}")


def test_a_certificate_and_its_key_belong_together_and_must_fit(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued = trustme.CA().issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(cert)
    trustme.CA().issue_cert("localhost").private_key_pem.write_to_path(key)
    with pytest.raises(ValidationError, match="belong together"):
        of(cert_file=cert)
    with pytest.raises(ConfigurationError, match="cannot be used") as told:
        worker(tmp_path, of(cert_file=cert, key_file=key, port=0, metrics_port=0))
    assert "\n" not in str(told.value)
