"""Nothing listens where another machine could reach it."""

import threading
from pathlib import Path

import pytest

from serving.settings import ServingSettings, require_loopback
from serving.worker import serve
from stream.errors import ConfigurationError
from stream.samples import Samples
from stream.settings import StreamSettings
from stream.store import ParquetStore
from stream.topics import Topics
from trainer.kafka import Workplace
from trainer.settings import TrainerSettings


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_loopback_is_allowed(host: str) -> None:
    require_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "shop.example", ""])
def test_any_other_address_is_refused(host: str) -> None:
    with pytest.raises(ConfigurationError, match="loopback"):
        require_loopback(host)


def test_a_worker_that_is_told_to_listen_to_everybody_does_not_start(tmp_path: Path) -> None:
    place = Workplace({}, Topics("t."), ParquetStore(tmp_path), lambda _manifest: Samples.empty(), 0)
    open_to_all = ServingSettings(host="0.0.0.0", port=0, metrics_port=0)
    with pytest.raises(ConfigurationError, match="loopback"):
        serve(place, StreamSettings(), TrainerSettings(), open_to_all, threading.Event())
