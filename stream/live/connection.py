"""How Faust, which reads through aiokafka, is to reach the Kafka that librdkafka's options describe."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from stream.errors import ConfigurationError

#: How a broker may be spoken to: whether by TLS, and whether with a name and a password.
_PROTOCOLS = {
    "plaintext": (False, False), "ssl": (True, False),
    "sasl_plaintext": (False, True), "sasl_ssl": (True, True),
}  # fmt: skip

_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

#: Options with a counterpart, and those of writing, which the live view does not do.
_MAPPED = {
    "bootstrap.servers", "client.id", "security.protocol", "sasl.mechanism", "sasl.mechanisms",
    "sasl.username", "sasl.password", "ssl.ca.location", "ssl.certificate.location", "ssl.key.location",
    "ssl.key.password", "ssl.endpoint.identification.algorithm", "enable.ssl.certificate.verification",
}  # fmt: skip
_OF_WRITERS = {
    "acks", "batch.num.messages", "batch.size", "compression.codec", "compression.level", "compression.type",
    "linger.ms", "message.max.bytes", "queue.buffering.max.kbytes", "queue.buffering.max.messages",
    "queue.buffering.max.ms",
}  # fmt: skip


@dataclass(frozen=True)
class Sasl:
    """A name, and the password that is never shown."""

    mechanism: str
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Connection:
    """Where Kafka is and how it lets one in."""

    urls: list[str]  # kafka://host:port
    client_id: str
    tls: ssl.SSLContext | None
    sasl: Sasl | None


def connection(broker: Mapping[str, object]) -> Connection:
    """librdkafka's options as Faust needs them.

    Raises: ConfigurationError: one has no counterpart, or a file or value cannot be used; it is named.
    """
    for name in sorted(broker.keys() - _MAPPED - _OF_WRITERS):
        raise ConfigurationError(
            f"kafka.options {name}: the live view reads through aiokafka, which has no such setting; "
            "leave it out for `asmg live`"
        )
    protocol = str(broker.get("security.protocol", "plaintext")).lower()
    if protocol not in _PROTOCOLS:
        raise ConfigurationError(
            f"kafka.options security.protocol is {protocol!r}: one of {', '.join(_PROTOCOLS)} is expected"
        )
    by_tls, by_password = _PROTOCOLS[protocol]
    hosts = [one.strip().rpartition("://")[2] for one in str(broker["bootstrap.servers"]).split(",")]
    return Connection(
        urls=[f"kafka://{host}" for host in hosts if host],
        client_id=str(broker.get("client.id", "asmg-live")),
        tls=_tls(broker) if by_tls else None,
        sasl=_sasl(broker) if by_password else None,
    )


def _sasl(broker: Mapping[str, object]) -> Sasl:
    mechanism = str(broker.get("sasl.mechanism", broker.get("sasl.mechanisms", "GSSAPI"))).upper()
    if mechanism not in _MECHANISMS:
        raise ConfigurationError(
            f"kafka.options sasl.mechanism is {mechanism}: the live view knows {', '.join(_MECHANISMS)}"
        )
    for name in ("sasl.username", "sasl.password"):
        if not broker.get(name):
            raise ConfigurationError(
                f"kafka.options {name} is not set, and sasl.mechanism {mechanism} needs it"
            )
    return Sasl(mechanism, str(broker["sasl.username"]), str(broker["sasl.password"]))


def _tls(broker: Mapping[str, object]) -> ssl.SSLContext:
    authority, certificate = broker.get("ssl.ca.location"), broker.get("ssl.certificate.location")
    try:
        context = ssl.create_default_context(cafile=str(authority) if authority else None)
    except OSError as error:  # an unusable certificate is one too
        raise ConfigurationError(f"kafka.options ssl.ca.location {authority}: {_why(error)}") from error
    if certificate:
        key, password = broker.get("ssl.key.location"), broker.get("ssl.key.password")
        try:
            context.load_cert_chain(
                str(certificate), str(key) if key else None, str(password) if password else ""
            )
        except OSError as error:
            raise ConfigurationError(
                f"kafka.options ssl.certificate.location {certificate}, ssl.key.location {key}: {_why(error)}"
            ) from error
    if str(broker.get("ssl.endpoint.identification.algorithm", "https")).lower() == "none":
        context.check_hostname = False
    if str(broker.get("enable.ssl.certificate.verification", "true")).lower() in ("false", "0"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _why(error: OSError) -> str:
    return error.strerror or str(error) or "it cannot be used"
