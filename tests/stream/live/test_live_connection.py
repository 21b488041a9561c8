import ssl

import pytest

from stream.errors import ConfigurationError
from stream.live.connection import connection

PLAIN = {"bootstrap.servers": "one:9092,SASL_SSL://two:9093, [::1]:9094"}
SASL = {
    **PLAIN, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanisms": "SCRAM-SHA-512",
    "sasl.username": "shop", "sasl.password": "hidden",
}  # fmt: skip


def test_a_broker_is_reached_without_tls_unless_it_is_asked_for() -> None:
    found = connection(PLAIN)
    assert found.urls == ["kafka://one:9092", "kafka://two:9093", "kafka://[::1]:9094"]
    assert (found.client_id, found.tls, found.sasl) == ("asmg-live", None, None)


def test_name_and_password_are_passed_on_and_the_password_never_shown() -> None:
    found = connection(SASL)
    assert found.sasl is not None
    assert (found.sasl.mechanism, found.sasl.username, found.sasl.password) == (
        "SCRAM-SHA-512", "shop", "hidden"
    )  # fmt: skip
    assert "hidden" not in repr(found)
    assert found.tls is None


def test_tls_verifies_host_and_certificate_unless_told_otherwise() -> None:
    tls = connection({**SASL, "security.protocol": "sasl_ssl"}).tls
    assert tls is not None
    assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    any_host = connection(
        {**PLAIN, "security.protocol": "ssl", "ssl.endpoint.identification.algorithm": "none"}
    ).tls
    assert any_host is not None
    assert (any_host.verify_mode, any_host.check_hostname) == (ssl.CERT_REQUIRED, False)
    anybody = connection(
        {**PLAIN, "security.protocol": "ssl", "enable.ssl.certificate.verification": False}
    ).tls
    assert anybody is not None
    assert (anybody.verify_mode, anybody.check_hostname) == (ssl.CERT_NONE, False)


def test_options_of_writing_are_passed_over() -> None:
    assert connection({**PLAIN, "linger.ms": 5, "compression.type": "zstd"}) == connection(PLAIN)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"fetch.wait.max.ms": 5}, r"kafka\.options fetch\.wait\.max\.ms: .* leave it out for `asmg live`"),
        ({"security.protocol": "tls"}, r"security\.protocol is 'tls': one of plaintext, ssl"),
        (
            {"security.protocol": "ssl", "ssl.ca.location": "no.pem"},
            r"ssl\.ca\.location no\.pem: No such file",
        ),
        ({"security.protocol": "ssl", "ssl.ca.location": __file__}, rf"ssl\.ca\.location {__file__}: "),
        (
            {"security.protocol": "ssl", "ssl.certificate.location": "no.pem", "ssl.key.password": "hidden"},
            r"ssl\.certificate\.location no\.pem, ssl\.key\.location None: No such file",
        ),
        ({**SASL, "sasl.mechanisms": "GSSAPI"}, r"sasl\.mechanism is GSSAPI: the live view knows PLAIN"),
        ({**SASL, "sasl.password": ""}, r"sasl\.password is not set"),
        ({**SASL, "sasl.oauthbearer.config": "hidden"}, r"sasl\.oauthbearer\.config: "),
    ],
)
def test_what_cannot_be_passed_on_is_named_in_one_line_without_secrets(options: dict, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as raised:
        connection({**PLAIN, **options})
    assert "hidden" not in str(raised.value)
    assert "\n" not in str(raised.value)
