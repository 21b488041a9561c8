"""From mapped parts to a model that can answer, warm, without a copy of its tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from serving.bundle import Mapped, Span
from serving.catalogue import Catalogue, Column
from serving.fetch import hashed, usable
from serving.lexicon import Lexicon
from serving.model import Model
from stream.errors import CorruptArtefact
from stream.niceness import rest
from trainer.parts import CATALOGUE, MLP, TABLES, read_arrays
from trainer.settings import TrainerSettings
from trainer.vocabulary import Vocabulary

#: Candidates and history of the request that warms a model.
_DUMMY = 16


class Opened(NamedTuple):
    """A model, and the memory that it reads."""

    model: Model
    memory: Mapped


class Opener:
    """Opens version after version; ids are kept from one to the next."""

    def __init__(self, settings: TrainerSettings, seed: int) -> None:
        self._settings, self._seed = settings, seed
        self._lexicons: defaultdict[str, Lexicon] = defaultdict(Lexicon)

    def open(self, name: str, fd: int, spans: Sequence[Span]) -> Opened:
        """The model of a bundle (`serving.fetch` has verified its parts), having scored once.

        Raises: CorruptArtefact: it cannot be opened, or gives a score that is not finite; ConfigurationError:
        `trainer.base` cannot be loaded, or is not what the model was made with.
        """
        with usable(name):
            memory = Mapped(fd, spans)
            model = self._model(memory)
            rest()
            _warm(name, model)
        return Opened(model, memory)

    def _model(self, mapped: Mapped) -> Model:
        parts = mapped.parts
        tables = {role: mapped.numbers(_column(parts[role], "vector")) for role in TABLES if role in parts}
        activity = {
            role: mapped.numbers(_column(parts[role], "activity"))
            for role in ("user", "item")
            if "activity" in parts[role].column_names
        }
        rest()
        mlp, own, widths = read_arrays(parts[MLP]), None, None
        rest()
        if self._settings.base is not None:
            from serving.own import opened  # loads torch, which nobody else here needs

            own, widths = opened(self._settings, tables, mlp)  # type: ignore[arg-type]
        return Model(
            tables,  # type: ignore[arg-type]  # float32, as fetched
            mlp,
            self._catalogue(mapped),
            self._settings,
            self._seed,
            activity or None,  # type: ignore[arg-type]
            own,
            widths,
        )

    def _catalogue(self, mapped: Mapped) -> Catalogue:
        part = mapped.parts[CATALOGUE]
        categories = _column(part, "categories")
        items = self._lexicons["item"].version(_column(part, "id"))
        buckets = hashed(self._settings, "item")
        return Catalogue(
            users=self._column_of(mapped, "user"),
            items=items,
            item_table=items if buckets is None else Vocabulary("item", buckets),
            categories=self._column_of(mapped, "category") if "category" in mapped.parts else None,
            item_row=mapped.numbers(_column(part, "row")),  # type: ignore[arg-type]
            category_offsets=categories.offsets.to_numpy(),
            category=mapped.numbers(categories.values),  # type: ignore[arg-type]
        )

    def _column_of(self, mapped: Mapped, role: str) -> Column:
        buckets = hashed(self._settings, role)
        if buckets is not None:
            return Vocabulary(role, buckets)
        return self._lexicons[role].version(_column(mapped.parts[role], "id"))


def _column(part: pa.Table, name: str) -> pa.Array:
    """A column of a table of one chunk, or of none where it has no rows."""
    whole = part[name]
    return whole.chunk(0) if whole.num_chunks else whole.combine_chunks()


def _warm(name: str, model: Model) -> None:
    """Score a dummy request, so that the first user waits for nothing."""
    items = model.catalogue.items.names[:_DUMMY].to_pylist()
    with np.errstate(all="ignore"):  # what comes of it is looked at
        scores = model.score("", items, [*items, ""])
    if not np.isfinite(scores.logits).all():
        raise CorruptArtefact(f"{name} gives a score that is not finite")
