"""A model made again from what it was made of, to see that it comes to the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import pyarrow as pa
from pydantic import ValidationError

from metagen.forgotten import rows_of, without_users
from metagen.generators import generator_of
from metagen.periods import MetaModel
from metagen.settings import MetagenSettings
from metagen.worker import restore
from stream.errors import ConfigurationError
from stream.forgotten import nobodys
from stream.records import Announcement
from stream.store import name_of
from trainer.announced import Announced
from trainer.average import Average
from trainer.device import choose_device
from trainer.kafka import Workplace, get_all, require_base
from trainer.periods import BaseModel
from trainer.settings import Device, TrainerSettings, buckets_of
from trainer.worker import restored, theta_0


@dataclass(frozen=True)
class Rebuilt:
    """How a model that was made again compares with the one announced."""

    model: Announcement
    tables: Mapping[str, pa.Table]  # role -> what came out
    device: str  # on which
    left_out: int = 0  # users who were forgotten since, and are not in what came out
    nobodys: int = 0  # samples of its period that lack their user, who was forgotten since

    @cached_property
    def parts(self) -> dict[str, str]:
        """Role -> name of what came out."""
        return {role: name_of(table) for role, table in self.tables.items()}

    @property
    def differing(self) -> list[str]:
        """Roles whose bytes are others, or that one of the two lacks."""
        roles = self.model.parts.keys() | self.parts.keys()
        return sorted(role for role in roles if self.model.parts.get(role) != self.parts.get(role))


def rebuild(
    place: Workplace,
    announced: Announced,
    model: Announcement,
    device: Device | None = None,
    trainer_base: str | None = None,
) -> Rebuilt:
    """Makes it again from its periods' samples and the models before it, under the settings it records.

    device: another than the one it was made on, which makes other bits. trainer_base: as the settings
    here have it; what a model records, which comes out of Kafka, is not imported.
    Users who were forgotten since are left out of what comes out. Nothing is stored or announced.

    Raises: ConfigurationError: what it records cannot be used here; StoreError, GapError, CorruptRecord,
    BrokerError: something that it was made of is gone or damaged.
    """
    told = model.settings
    require_base(model, trainer_base)
    try:
        trainer = TrainerSettings(**told["trainer"])
        metagen = MetagenSettings(**told.get("metagen", {}))
        place = replace(place, seed=int(told["seed"]))
        wanted: Device = device or told["device"]
    except (KeyError, ValidationError) as error:
        raise ConfigurationError(
            f"{model.kind}/{model.version} was made by another version of this program "
            f"({model.code_version}), whose settings this one does not know: use that one"
        ) from error
    computes = choose_device(wanted, (metagen if model.kind == "star" else trainer).threads)
    version = model.version
    manifest = announced.manifests[version]
    samples = place.read(manifest)
    made: dict[str, pa.Table] | None
    if model.kind == "theta" and version == 0:
        made = theta_0(place, trainer, computes, manifest)[0].parts()
    elif model.kind != "star":
        before = announced.model("theta", version - 1)
        base = (
            restored(place, trainer, computes, announced, before)
            if before
            else BaseModel.begin(trainer, place.seed, computes, samples)
        )
        average = _average(place, announced, model, base) if model.kind == "ema" else None
        period = base.read(version, samples, manifest.forget)
        base.learn(period)
        if average is None:
            made = base.parts()
        else:
            average.keep(period.stay)
            made = average.take(base)
    else:
        generator = generator_of(metagen, trainer.batch, place.seed)
        meta = MetaModel(generator, trainer, place.seed, metagen.hidden_size, computes)
        if version > 1:
            restore(meta, place, announced, version - 1)
        meta.read(version, samples, manifest.forget)
        meta.train()
        made = meta.generate(get_all(place.store, announced.models["theta", version]))
    made = made or {}
    since = {digest for one in announced.manifests[version + 1 :] for digest in one.forget}
    lacking = 0 if manifest.forget else nobodys(samples)
    if "user" not in made or buckets_of(trainer.user_rows) is not None:
        return Rebuilt(model, made, computes.type, nobodys=lacking)
    rows = rows_of(made["user"], since)
    return Rebuilt(model, without_users(made, rows), computes.type, len(rows), lacking)


def _average(place: Workplace, announced: Announced, model: Announcement, base: BaseModel) -> Average:
    """Θ̄_{t-1}, beside `base`, which is at t - 1 too; an empty one where Θ̄_t was the first."""
    decay = base.settings.ema
    if decay is None:
        raise ConfigurationError(f"{model.kind}/{model.version} records no trainer.ema")
    average, before = Average(decay), announced.model("ema", model.version - 1)
    if before is not None and f"ema/{before.version}" in model.parents:
        average.restore(get_all(place.store, before), before.trained, base)
    return average
