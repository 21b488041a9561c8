"""What a demo sets for its workers: length of periods, ports, clock, and the size of the user table."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from asmg.config import Settings
from asmg.options import setting_of
from stream.errors import ConfigurationError
from trainer.settings import TrainerSettings

#: Periods over the data where nothing else is said.
PERIODS = 31

#: Data sets whose users do not come back, so that a row per user would learn nothing (method.md).
CLICK_LOGS = ("clicks", "tmall", "sobazaar")

#: Rows that the users of a click log share.
SHARED_ROWS = "hash:20000"

#: What runs beside what serves, to be compared with it.
SHADOWS = ("iu", "asmg-gru-multi")

#: Section -> field -> value.
Overrides = dict[str, dict[str, object]]


def staged(settings: Settings, dataset: str, samples: int, periods: int | None) -> Overrides:
    """What the demo sets itself, over what the user set: periods, user table, shadows, the stream's clock.

    Raises: ConfigurationError: fewer samples than periods.
    """
    overrides: Overrides = {"stream": closing(settings, samples, periods)}
    trainer: dict[str, object] = {}
    if dataset in CLICK_LOGS and "user_rows" not in settings.trainer.model_fields_set:
        trainer["user_rows"] = SHARED_ROWS
    if "shadow" not in settings.trainer.model_fields_set:
        trainer["shadow"] = list(SHADOWS)
    if trainer:
        overrides["trainer"] = trainer
    if "clock" not in settings.serving.model_fields_set:
        overrides["serving"] = {"clock": "stream"}
    return overrides


def unless_set(trainer: TrainerSettings, usual: Mapping[str, object]) -> TrainerSettings:
    """The settings with what is usual in place of defaults: what the user set stays."""
    update = {name: value for name, value in usual.items() if name not in trainer.model_fields_set}
    return trainer.model_copy(update=update)


def closing(settings: Settings, samples: int, periods: int | None) -> dict[str, object]:
    """What closes a period: so many that all are equal, or what the configuration says.

    Raises: ConfigurationError: fewer samples than periods.
    """
    stream = settings.stream
    if periods is None and (stream.period_count is not None or stream.period_span is not None):
        return {}
    count = PERIODS if periods is None else periods
    if not 1 <= count <= samples:
        raise ConfigurationError(f"{samples:,} samples cannot make {count:,} periods")
    return {"period_count": -(-samples // count), "period_span": None}


def ports(settings: Settings, windows: int) -> dict[str, int]:
    """A free port for everyone who needs one, the configured one where it is free.

    Keys: serve (API and page, on serving.host); those of Prometheus, on 127.0.0.1: replay, window-1 ..
    window-N, train, metagen, shadow, live, archive, serve-metrics. Raises: ConfigurationError: serving cannot
    listen there.
    """
    wanted = {
        "serve": settings.serving.port,
        **{f"window-{number + 1}": settings.stream.metrics_port for number in range(windows)},
        "train": settings.trainer.metrics_port,
        "metagen": settings.metagen.metrics_port,
        "shadow": settings.trainer.shadow_metrics_port,
        "live": settings.live.metrics_port,
        "archive": settings.stream.archive_metrics_port,
        "serve-metrics": settings.serving.metrics_port,
        "replay": 0,
    }
    taken: dict[str, int] = {}
    for name, port in wanted.items():
        host = settings.serving.host if name == "serve" else "127.0.0.1"
        taken[name] = _free(port, set(taken.values()), host)
    return taken


def ported(taken: Mapping[str, int]) -> Overrides:
    """The settings that say these ports, but those of the window workers, which differ."""
    trainer: dict[str, object] = {"metrics_port": taken["train"]}
    if "shadow" in taken:
        trainer["shadow_metrics_port"] = taken["shadow"]
    live: Overrides = {"live": {"metrics_port": taken["live"]}} if "live" in taken else {}
    archive: Overrides = {"stream": {"archive_metrics_port": taken["archive"]}} if "archive" in taken else {}
    return {
        **live,
        **archive,
        "trainer": trainer,
        "metagen": {"metrics_port": taken["metagen"]},
        "serving": {"port": taken["serve"], "metrics_port": taken["serve-metrics"]},
    }


def written(*overrides: Overrides) -> tuple[str, ...]:
    """Each as `SECTION.NAME=VALUE`, the form in which a worker is told."""
    return tuple(
        setting_of(section, field, value)
        for one in overrides
        for section, fields in one.items()
        for field, value in fields.items()
    )


def _free(wanted: int, taken: set[int], host: str) -> int:
    while True:
        wanted = 0 if wanted in taken else wanted
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do, or TIME_WAIT counts
            try:
                one.bind((host, wanted))
            except OSError as error:
                if wanted == 0:
                    raise ConfigurationError(
                        f"serving.host {host}: nothing can listen there ({error})"
                    ) from error
                wanted = 0
                continue
            port = int(one.getsockname()[1])
        if port not in taken:
            return port
        wanted = 0
