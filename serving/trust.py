"""Who is believed to be serving: whoever has the key of the very certificate that it is set to show."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

from stream.errors import ConfigurationError

_FIRST = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def trusting(cert_file: Path) -> ssl.SSLContext:
    """A caller's side of TLS that takes the certificate in that file, the first one, and no other.

    So it does not matter who has signed it, nor under which of its names or numbers serving is called, and
    another certificate of the same signer is refused. Raises: ConfigurationError: the file has none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False  # the name is in the certificate, and it is this one
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it need not have signed itself
    try:
        found = _FIRST.search(cert_file.read_text(errors="replace"))
        context.load_verify_locations(cadata=found[0] if found else "")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        why = "it holds none" if isinstance(error, ValueError | ssl.SSLError) else error.strerror
        raise ConfigurationError(
            f"serving.cert_file {cert_file}: a PEM file of a certificate is expected ({why})"
        ) from error
    return context
