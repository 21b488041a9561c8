"""A port of metrics that is taken: the setting that names it is told."""

import socket
from urllib.request import urlopen

import pytest

from stream.errors import ConfigurationError
from stream.metrics import metrics_server


def test_any_free_port_is_found_and_answers() -> None:
    server, thread = metrics_server(0, "stream.metrics_port")
    with urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as answer:
        assert answer.status == 200
    server.shutdown()
    server.server_close()
    thread.join()


def test_of_a_port_that_is_taken_the_number_and_the_setting_are_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"127\.0\.0\.1:{port}: .* set live\.metrics_port to"):
            metrics_server(port, "live.metrics_port")
