"""Periods as OpenTelemetry traces: what each worker did for a period, and when, told once it is done.

All of a period's spans are of one trace, though the processes that tell them pass nothing on: its id, and
that of the span they all lie below, are made of the manifest (`stream.traces.ids`). Without a collector in
the environment nothing is imported and nothing is told.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from typing import Protocol

from stream.records import Manifest

#: Variables of OpenTelemetry's own that name a collector.
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

#: What a span may say of what it was for: period, version ("star/31"), samples, and whatever else.
Attribute = str | int | float | bool

_log = logging.getLogger(__name__)


class Teller(Protocol):
    """Tells spans (`stream.traces.telling.Telling`); times are ns, wall clock."""

    def period(self, manifest: Manifest) -> None:
        """That a period has closed: the span above all others of its trace."""

    def work(
        self,
        manifest: Manifest,
        name: str,
        began: int,
        ended: int,
        seconds: Mapping[str, float],
        attributes: Mapping[str, Attribute],
    ) -> None:
        """What a worker did for a period, its stages one after the other from its beginning on."""


_teller: Teller | None = None


def set_up(worker: str) -> None:
    """Tell of this worker's periods from now on, if the environment names a collector."""
    if not any(os.environ.get(name) for name in ENDPOINTS):
        return
    try:
        from stream.traces.telling import Telling, to_collector
    except ImportError as error:
        _log.warning("%s is set, but %s: install asmg-stream[otel]", ENDPOINTS[0], error)
        return
    tell_by(Telling(worker, to_collector()))


def tell_by(teller: Teller | None) -> None:
    """Have this process tell by it; None: no more."""
    global _teller
    _teller = teller


def period_closed(manifest: Manifest) -> None:
    """Tell that a period was opened and closed."""
    if _teller is not None:
        _teller.period(manifest)


def work_done(
    manifest: Manifest, name: str, began: int, seconds: Mapping[str, float], **attributes: Attribute
) -> None:
    """Tell what a worker has just done. began: ns, wall clock; seconds: by stage, in their order since."""
    if _teller is not None:
        _teller.work(manifest, name, began, time.time_ns(), seconds, attributes)
