"""Variables by which our processes know of each other; a user sets none of them."""

from __future__ import annotations

#: Set for workers of a supervisor, whose stdin ends when it does.
SUPERVISED = "ASMG_SUPERVISED"
