"""Settings by one name: those in force, or the paper's."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from stream.errors import ConfigurationError

#: The paper's base model: its width, and its inputs alone.
PAPERS_MODEL: dict[str, int | bool] = {"embedding": 8, "products": False}

#: Name -> what is set before every --set. The paper's: its learning rates and plain generators; batch and
#: moments as method.md has them at those rates.
PRESETS: dict[str, Sequence[str]] = {
    "default": (),
    "paper": (
        *(f"trainer.{name}={msgspec.json.encode(value).decode()}" for name, value in PAPERS_MODEL.items()),
        "trainer.batch=256",
        "trainer.learning_rate=1e-3",
        "trainer.moments=carried",
        "metagen.learning_rate=1e-2",
        "metagen.moments=fresh",
        "metagen.residual=false",
    ),
}


def preset(name: str) -> Sequence[str]:
    """The settings of a preset as `--set` has them. Raises: ConfigurationError: there is none."""
    if name not in PRESETS:
        raise ConfigurationError(f"--preset is {' or '.join(map(repr, PRESETS))}, not '{name}'")
    return PRESETS[name]
