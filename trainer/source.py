"""Where the code lies that `trainer.base` names: found, hashed and imported. Nothing here loads torch.

It is the operator's own configuration that names it. No name out of Kafka or the store is ever imported.
"""

from __future__ import annotations

import hashlib
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from stream.errors import ConfigurationError


@cache
def sha256_of(base: str) -> str:
    """That of the file which `trainer.base` names, as it was when this process first asked.

    What the file imports is not in it. Raises: ConfigurationError: there is no such file.
    """
    module, _, _ = base.partition(":")
    with failing(base), _from_here(base):
        spec = find_spec(module)
    if spec is None or spec.origin is None or not (file := Path(spec.origin)).is_file():
        raise ConfigurationError(
            f"trainer.base {base}: there is no module {module} in {Path.cwd()} or among what is installed"
        )
    return hashlib.sha256(file.read_bytes()).hexdigest()


def imported(base: str) -> object:
    """What `trainer.base` names. Raises: ConfigurationError: there is no such thing, or its file fails."""
    module, _, name = base.partition(":")
    sha256_of(base)  # of what is imported next, whatever becomes of the file later
    with failing(base), _from_here(base):
        found = import_module(module)
    if not hasattr(found, name):
        raise ConfigurationError(f"trainer.base {base}: {module} has no {name}")
    return getattr(found, name)


@contextmanager
def failing(base: str) -> Iterator[None]:
    """Whatever the operator's code raises within, as one line that names its last place in it."""
    try:
        yield
    except ConfigurationError:
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        said = str(error).splitlines() or [""]
        raise ConfigurationError(
            f"trainer.base {base} fails: {type(error).__name__}: {said[0]} "
            f"({Path(last.filename).name}, line {last.lineno})"
        ) from error


@contextmanager
def _from_here(base: str) -> Iterator[None]:
    """Modules of the working folder come first, as with `python -m`."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"trainer.base {base}: {error}; it is looked for in {here}") from error
    finally:
        sys.path.remove(here)
