"""A port of metrics that is taken: the setting that names it is told."""

import socket
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from stream.errors import ConfigurationError
from stream.metrics import metrics_on


def test_any_free_port_is_found_and_answers() -> None:
    with metrics_on(0, "stream.metrics_port") as server:
        address = f"http://127.0.0.1:{server.server_port}/metrics"
        with urlopen(address) as answer:
            assert answer.status == 200
    with pytest.raises(URLError):
        urlopen(address)


def test_of_a_port_that_is_taken_the_number_and_the_setting_are_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        named = rf"127\.0\.0\.1:{port}: .* set live\.metrics_port to"
        with pytest.raises(ConfigurationError, match=named), metrics_on(port, "live.metrics_port"):
            pass
