"""`asmg serve` is refused what nobody should be given at once: before a Kafka is started or waited for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trustme


def serve(folder: Path, *sets: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """With a Kafka that does not answer: whoever asks it waits for seconds."""
    given = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ASMG_")},
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "ASMG_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        **environment,
    }
    flags = [part for one in sets for part in ("--set", one)]
    command = [sys.executable, "-m", "asmg", "serve", *flags]
    return subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, timeout=60)


def test_an_address_that_others_reach_without_a_token_is_refused_before_kafka_is_asked(tmp_path):
    done = serve(tmp_path, "serving.host=0.0.0.0")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("asmg: serving.host is '0.0.0.0', which others can reach")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("cert", "setting serving.cert_file: "),
        ("key", "setting serving.key_file: "),
        (None, "serving.cert_file cert.pem and serving.key_file key.pem cannot be used"),
    ],
)
def test_a_certificate_that_is_missing_or_does_not_fit_is_refused_before_kafka_is_asked(
    tmp_path, missing, said
):
    trustme.CA().issue_cert("a").cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    trustme.CA().issue_cert("a").private_key_pem.write_to_path(tmp_path / "key.pem")
    if missing is not None:
        (tmp_path / f"{missing}.pem").unlink()
    done = serve(tmp_path, "serving.cert_file=cert.pem", "serving.key_file=key.pem")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"asmg: {said}")
