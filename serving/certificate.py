"""TLS: the certificate that serving shows, read again when its files change."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from serving.settings import ServingSettings, require_guarded
from stream.errors import ConfigurationError

_log = logging.getLogger(__name__)


class Certificate:
    """Shown to whoever connects. A renewed one is shown from the next connection on."""

    def __init__(self, cert: Path, key: Path) -> None:
        """Raises: ConfigurationError: the files are no certificate and its key."""
        self._files = cert, key
        self._seen = self._changed_at()
        self.context = _context(cert, key)

    @classmethod
    def of(cls, settings: ServingSettings) -> Certificate | None:
        """The one that is set; None where HTTP is spoken without TLS. Raises: ConfigurationError."""
        if settings.cert_file is None or settings.key_file is None:
            return None
        return cls(settings.cert_file, settings.key_file)

    def look(self) -> None:
        """Read the files again where they have changed; what cannot be used is told of and left."""
        seen = self._changed_at()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            _context(*self._files)  # a context that refuses a key has lost the certificate it had
            self.context.load_cert_chain(*self._files, password=_no_passphrase)
            _log.info("the certificate has been read again")
        except (ConfigurationError, OSError) as error:
            _log.error("the certificate has changed and stays as it was: %s", error)

    def _changed_at(self) -> list[int]:
        return [file.stat().st_mtime_ns if file.exists() else 0 for file in self._files]


def require_startable(settings: ServingSettings) -> None:
    """What can be said before anything is waited for.

    Raises: ConfigurationError: others can reach the address and no token is set, or the certificate that is
    set cannot be used.
    """
    require_guarded(settings)
    Certificate.of(settings)


def _context(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key, password=_no_passphrase)
    except OSError as error:  # ssl.SSLError is one
        said = error.strerror if not isinstance(error, ssl.SSLError) else error.reason or error
        raise ConfigurationError(
            f"serving.cert_file {cert} and serving.key_file {key} cannot be used ({said}): PEM files of a "
            "certificate and of its key, without a passphrase, are expected"
        ) from error
    return context


def _no_passphrase() -> str:
    """Without it a key with a passphrase would have the terminal asked."""
    return ""
