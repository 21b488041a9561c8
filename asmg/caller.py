"""How a process here is asked over HTTP: serving with its certificate and token, all others plainly."""

from __future__ import annotations

import ssl
import urllib.request
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from ipaddress import ip_address
from pathlib import Path
from urllib.error import HTTPError, URLError

from serving.settings import ServingSettings, tokens_of
from serving.trust import trusting
from stream.errors import ConfigurationError

#: Seconds a worker may take to say how it stands; it is asked again soon.
PATIENCE = 2.0

#: Where the token that is sent comes from.
TOKEN = "ASMG_SERVING_ADMIN_TOKEN"


@dataclass(frozen=True)
class Caller:
    """Asks with a token, over TLS with a certificate, where there are any."""

    token: str | None = None
    cert_file: Path | None = None

    @classmethod
    def of(cls, settings: ServingSettings) -> Caller:
        """Who asks serving: with the first of the admin tokens, trusting the certificate that it shows."""
        tokens = tokens_of(settings.admin_token)
        return cls(tokens[0].decode() if tokens else None, settings.cert_file)

    def address(self, host: str, port: int, scheme: str | None = None) -> str:
        """Where serving answers that listens there; `scheme`: where it said so itself."""
        host = reached(host)
        scheme = scheme or ("https" if self.cert_file else "http")
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def fetch(self, address: str) -> str:
        """What is answered there. Raises: OSError: nothing, or not in time, or it may not be believed."""
        try:
            with self._open(address) as answer:
                return answer.read().decode()
        except HTTPException as error:
            raise ConnectionError("no HTTP is spoken; if TLS is, set serving.cert_file") from error
        except ConfigurationError as error:
            raise ConnectionError(str(error)) from error
        except HTTPError:
            raise
        except URLError as error:
            if isinstance(error.reason, ssl.SSLError):
                raise ConnectionError(self._untrusted(error.reason)) from error
            raise

    def refused(self, error: HTTPError) -> str:
        """Why an answer is none, and the setting to mend."""
        if error.code == 401 and self.token is None:
            return f"it asks for a token: set {TOKEN} in the environment"
        if error.code == 401:
            return f"it does not know the token of {TOKEN}: set the one that it was started with"
        if error.code == 403 and error.headers and "www-authenticate" in error.headers:
            return f"the token of {TOKEN} may only rank there: set the admin's"
        if error.code == 403:
            return "it does not answer to that name: add it to its serving.hosts"
        return f"status {error.code}"

    def _open(self, address: str) -> AbstractContextManager[HTTPResponse]:
        # Workers are on this machine: a proxy that the environment names is not asked for them.
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self.cert_file is not None and address.startswith("https:"):
            handlers.append(urllib.request.HTTPSHandler(context=trusting(self.cert_file)))
        request = urllib.request.Request(address)
        if self.token is not None:  # and nobody is told it whom an answer points to
            request.add_unredirected_header("Authorization", f"Bearer {self.token}")
        opened: AbstractContextManager[HTTPResponse] = urllib.request.build_opener(*handlers).open(
            request, timeout=PATIENCE
        )
        return opened

    def _untrusted(self, error: ssl.SSLError) -> str:
        if not isinstance(error, ssl.SSLCertVerificationError):
            return "no TLS is spoken, and serving.cert_file is set"
        if self.cert_file is None:
            return "it shows a certificate: set serving.cert_file to its file"
        why = error.verify_message or "it is another one"
        return f"its certificate is not that of serving.cert_file {self.cert_file} ({why})"


#: Asks whoever has neither token nor certificate, as metrics have none.
ANYBODY = Caller()


def reached(host: str) -> str:
    """An address to call; who listens on all of them is called on loopback."""
    try:
        found = ip_address(host)
    except ValueError:
        return host or "127.0.0.1"
    if not found.is_unspecified:
        return host
    return "127.0.0.1" if found.version == 4 else "::1"
