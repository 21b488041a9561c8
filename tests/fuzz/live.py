"""Serving's API over a small model, in a thread, as a process that answers has it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import cast

import pyarrow as pa
import torch
from valid import SAMPLES

from serving.answerer import _Api
from serving.bundle import Bundle
from serving.fetch import fetch
from serving.health import Standing
from serving.histories import Histories
from serving.impressions import Impression
from serving.model import Model
from serving.opening import Opener
from serving.service import Served, Service
from serving.settings import ServingSettings
from stream.records import Announcement
from stream.store import Store
from trainer.periods import BaseModel
from trainer.settings import TrainerSettings

TRAINER = TrainerSettings(batch=4)


def model_parts() -> dict[str, pa.Table]:
    """A model of one period."""
    base = BaseModel.begin(TRAINER, 0, torch.device("cpu"), SAMPLES)
    base.learn(base.read(1, SAMPLES))
    return base.parts()


def opened(parts: dict[str, pa.Table]) -> Model:
    """The model of these parts, as serving opens it. Raises: AsmgError."""
    announced = Announcement(kind="theta", version=1, parts={one: one for one in parts}, parents={})
    found = fetch(cast(Store, SimpleNamespace(get=parts.__getitem__)), announced, TRAINER)
    with Bundle(found) as bundle:
        return Opener(TRAINER, 0).open("theta/1", bundle.fd, bundle.spans).model


class Shelf:
    """Takes every impression."""

    def add(self, impressions: list[Impression]) -> bool:
        return True


def service_of(settings: ServingSettings) -> Service:
    """A service that a model answers."""
    service = Service(settings, Histories(), Shelf(), lambda: 1_700_000_000_000)
    service.served = Served(opened(model_parts()), Standing(1, "theta", 1, 0))
    return service


@contextmanager
def answering(service: Service) -> Iterator[tuple[str, int]]:
    """Where it answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener, _Api(service, listener) as api:
        api.open()
        yield listener.getsockname()
