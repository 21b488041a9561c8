"""One configuration for every worker: flags, then environment `ASMG_…`, then `asmg.toml`, then defaults."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import get_args

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from asmg.secrets import require_no_secret, shown
from metagen.settings import NEED_MLP, MetagenSettings
from serving.settings import ServingSettings
from stream.errors import ConfigurationError
from stream.settings import (
    IngestSettings,
    KafkaSettings,
    LiveSettings,
    RedisSettings,
    StoreSettings,
    StreamSettings,
)
from trainer.settings import BUILT_IN, FACTORISED, NOT_FOR, TrainerSettings

#: Where settings are looked for unless `--config` or ASMG_CONFIG says otherwise.
CONFIG = "asmg.toml"


class Settings(BaseSettings):
    """Everything that can be set. `ASMG_KAFKA_BOOTSTRAP` is `bootstrap` of the table `[kafka]`."""

    model_config = SettingsConfigDict(
        env_prefix="ASMG_",
        env_nested_delimiter="_",
        env_nested_max_split=1,
        extra="forbid",
        frozen=True,
    )

    home: Path = Field(Path(".asmg"), description="folder of the embedded Kafka, the store and local copies")
    data_dir: Path = Field(Path("../shared/data"), description="where data sets are looked for by name")
    kafka: KafkaSettings = KafkaSettings()
    store: StoreSettings = StoreSettings()
    redis: RedisSettings = RedisSettings()
    stream: StreamSettings = StreamSettings()
    trainer: TrainerSettings = TrainerSettings()
    metagen: MetagenSettings = MetagenSettings()
    serving: ServingSettings = ServingSettings()
    live: LiveSettings = LiveSettings()
    ingest: IngestSettings = IngestSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 named by pydantic
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags before environment before file. Raises: ConfigurationError: a secret is in a flag or file."""
        name = os.environ.get("ASMG_CONFIG", CONFIG)
        file = TomlConfigSettingsSource(settings_cls, Path(name))
        require_no_secret(init_settings(), "a flag")
        require_no_secret(file(), name)
        return init_settings, env_settings, file


def load(flags: dict[str, dict[str, object]] | None = None) -> Settings:
    """The settings as flags, environment and file give them.

    Raises: ConfigurationError: one is unknown or has a wrong value (it is named), or two do not fit.
    """
    named = os.environ.get("ASMG_CONFIG")
    if named and not Path(named).is_file():
        raise ConfigurationError(f"there is no {named}: mend ASMG_CONFIG")
    try:
        settings = Settings(**(flags or {}))  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise ConfigurationError(f"setting {name}: {_said(first)}{shown(name, first['input'])}") from None
    except TOMLDecodeError as error:
        raise ConfigurationError(f"{named or CONFIG} cannot be read: {error}") from error
    except (SettingsError, ValueError) as error:
        raise ConfigurationError(f"the settings cannot be read: {error}") from error
    generator = settings.metagen.generator
    if settings.trainer.strategy == FACTORISED and generator in NEED_MLP:
        raise ConfigurationError(
            f"metagen.generator {generator} adds to an MLP, and trainer.strategy {FACTORISED} has none: "
            "set another strategy, or a generator for any model (asmg-linear, asmg-gru-…, average, ema)"
        )
    _require_fit(settings.trainer)
    return settings


def _said(wrong: ErrorDetails) -> str:
    """What is wrong with a setting, in our words where pydantic's are not about settings."""
    if wrong["type"] == "missing":
        return "it has to be set"
    if wrong["type"] == "extra_forbidden":
        *tables, name = map(str, wrong["loc"])
        near = get_close_matches(name, _names(tables), n=1)
        mend = f"is {near[0]} meant?" if near else "docs/configuration.md has them all"
        return f"there is no such setting: {mend}"
    return wrong["msg"].removeprefix("Value error, ")


def _names(tables: list[str]) -> list[str]:
    """The names that a table of settings knows; tables: its place, `ingest`, `sources`, `1`."""
    model: type[BaseModel] = Settings
    for one in tables:
        if one in model.model_fields:
            kind = model.model_fields[one].annotation
            types = [each for each in (kind, *get_args(kind)) if isinstance(each, type)]
            model = next((each for each in types if issubclass(each, BaseModel)), model)
    return list(model.model_fields)


def _require_fit(trainer: TrainerSettings) -> None:
    """Raises: ConfigurationError: what is set of the built-in base model does not go with another."""
    if trainer.base is None:
        return
    if trainer.strategy in BUILT_IN:
        raise ConfigurationError(NOT_FOR.format(strategy=trainer.strategy, base=trainer.base))
    if "products" in trainer.model_fields_set:
        raise ConfigurationError(
            f"trainer.products is the built-in base model's, and trainer.base is {trainer.base}: "
            "leave one of them out"
        )
