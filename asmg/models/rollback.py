"""`asmg models rollback` and `release`: an operator's word on what serves, which stands until released."""

from __future__ import annotations

from msgspec.structs import replace

from asmg.models.registry import Registry
from stream.errors import ConfigurationError
from stream.kafka import Writer
from stream.records import Announcement, Serve, encode, now
from trainer.kafka import get_all
from trainer.lineage import name_of

#: The key of an operator's records; the gate's have the period's number.
_KEY = b"operator"


def rollback(models: Registry, model: Announcement, by: str, reason: str) -> None:
    """Every serving process goes to the model and stays, whatever the gate says.

    Raises: StoreError: a part of the model is gone or damaged, so that nobody could serve it; BrokerError.
    """
    get_all(models.place.store, model)
    _write(
        models,
        Serve(
            period=models.announced.last_decided(),
            kind=model.kind,
            version=model.version,
            reason=reason,
            held_by=by,
            decided_at=now(),
        ),
    )


def release(models: Registry, by: str, reason: str) -> str:
    """The gate's word counts again; the name of the model that it names.

    Raises: ConfigurationError: nothing is held; BrokerError.
    """
    if models.words.hold is None:
        raise ConfigurationError(f"nothing is held: the gate's word counts, {models.serving} serves")
    word = models.words.gate[-1] if models.words.gate else models.words.hold
    given = {"reason": reason, "held_by": by, "release": True, "decided_at": now()}
    _write(models, replace(word, **given))
    return name_of(word)


def describe(model: Announcement, by: str) -> str:
    """What has just been done."""
    return f"{name_of(model)} serves, held by {by}, until `asmg models release`"


def _write(models: Registry, word: Serve) -> None:
    writer = Writer(models.place.kafka)
    writer.write(models.place.topics.serve, encode(word), key=_KEY)
    writer.flush()
