"""From an announcement to a model that can answer: read, verified and warm."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from serving.model import Model
from stream.errors import AsmgError, CorruptArtefact, MissingArtefact
from stream.records import Announcement
from stream.store import Store
from trainer.activity import activity_inputs
from trainer.catalogue import Catalogue
from trainer.kafka import get_all
from trainer.model import Theta, reads_activity
from trainer.settings import TrainerSettings
from trainer.snapshot import CATALOGUE, MLP, TABLES, read_activity, read_catalogue, read_theta

#: Candidates and history of the request that warms a model.
_DUMMY = 64


def load(store: Store, announced: Announcement, settings: TrainerSettings, seed: int) -> Model:
    """The announced model, its every tensor finite, having scored once.

    Raises: StoreError: a part is missing or corrupt; ConfigurationError: the settings are of another model.
    """
    roles = [role for role in (*TABLES, MLP, CATALOGUE) if role in announced.parts]
    parts = get_all(store, announced, roles)
    name = f"{announced.kind}/{announced.version}"
    if lacking := {"user", "item", MLP, CATALOGUE} - parts.keys():
        raise MissingArtefact(f"{name} is announced without {', '.join(sorted(lacking))}")
    try:
        theta, catalogue = read_theta(parts), read_catalogue(parts, settings)
        _verify(name, theta, catalogue, settings.embedding)
        model = Model(theta, catalogue, settings, seed, _activity(parts, theta, announced.version))
        _warm(name, model)
    except AsmgError:
        raise
    except Exception as error:  # whatever bytes of a wrong form make Arrow, numpy or torch raise
        said = str(error).splitlines() or [type(error).__name__]
        raise CorruptArtefact(f"{name} cannot be used: {said[0]}") from error
    return model


def _activity(
    parts: Mapping[str, pa.Table], theta: Theta, period: int
) -> dict[str, npt.NDArray[np.float32]] | None:
    """How active users and items were in the model's period; None for a model that does not read it."""
    if not reads_activity(theta.mlp):
        return None
    return {
        name: activity_inputs(read_activity(parts[name]), period, parts[name].num_rows)
        for name in ("user", "item")
    }


def _verify(name: str, theta: Theta, catalogue: Catalogue, width: int) -> None:
    for part, tensor in theta.named().items():
        if not bool(torch.isfinite(tensor).all()):
            raise CorruptArtefact(f"{name} holds a number in {part} that is not finite")
    for table, rows in catalogue.table_rows().items():
        slots = (width,) if table == "category" else (width, width + 1)
        if len(theta.tables[table]) != rows or theta.tables[table].shape[1] not in slots:
            raise CorruptArtefact(
                f"{name} has a table {table} of {tuple(theta.tables[table].shape)}, not ({rows}, {width})"
            )


def _warm(name: str, model: Model) -> None:
    """Score a dummy request, so that the first user waits for nothing."""
    items = model.catalogue.items.ids[:_DUMMY]
    scores = model.score("", items[:30], [*items, ""])
    if not np.isfinite(scores.logits).all():
        raise CorruptArtefact(f"{name} gives a score that is not finite")
