"""What a health check asks: `python -m deploy.healthy URL` ends with 0 where somebody answers there.

Over https the certificate of ASMG_SERVING_CERT_FILE is believed, and no other. It has no token: whether a
process is well everybody may ask.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.request import BaseHandler, HTTPSHandler, ProxyHandler, build_opener

from serving.trust import trusting
from stream.errors import ConfigurationError

#: Seconds an answer may take.
PATIENCE = 3.0


def healthy(url: str) -> None:
    """Raises: OSError: nobody answers, or with an error; ConfigurationError: there is no certificate."""
    handlers: list[BaseHandler] = [ProxyHandler({})]  # a proxy that the environment names is not asked
    if url.startswith("https:"):
        handlers.append(HTTPSHandler(context=trusting(Path(os.environ.get("ASMG_SERVING_CERT_FILE", "")))))
    build_opener(*handlers).open(url, timeout=PATIENCE).close()


if __name__ == "__main__":
    try:
        healthy(sys.argv[1])
    except (OSError, ConfigurationError) as error:
        sys.exit(f"{sys.argv[1]}: {error}")
