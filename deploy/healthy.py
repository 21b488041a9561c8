"""What a health check asks: `python -m deploy.healthy URL` ends with 0 where somebody answers there."""

from __future__ import annotations

import sys
from urllib.request import ProxyHandler, build_opener

#: Seconds an answer may take.
PATIENCE = 3.0


def healthy(url: str) -> None:
    """Raises: OSError: nobody answers, or with an error."""
    direct = build_opener(ProxyHandler({}))  # a proxy that the environment names is not asked
    direct.open(url, timeout=PATIENCE).close()


if __name__ == "__main__":
    try:
        healthy(sys.argv[1])
    except OSError as error:
        sys.exit(f"{sys.argv[1]}: {error}")
