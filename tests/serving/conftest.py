"""A store with models, and a service over them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from serving_factory import Factory, Shelf, Watched, load

from serving.health import Standing
from serving.histories import Histories
from serving.service import Served, Service
from serving.settings import ServingSettings
from stream.records import Announcement
from stream.samples import Samples
from stream.store import ParquetStore


@pytest.fixture
def factory(tmp_path: Path, random_period: Callable[..., Samples]) -> Factory:
    return Factory(ParquetStore(tmp_path / "store"), random_period)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def service(shelf: Shelf) -> Service:
    """A service without a model."""
    return Watched(ServingSettings(port=0), Histories(), shelf, lambda: 1_700_000_000_000)


@pytest.fixture
def serve(factory: Factory, service: Service) -> Callable[[Announcement], None]:
    """Puts an announced model into service."""

    def put(announced: Announcement) -> None:
        model = load(factory.store, announced, factory.settings)
        standing = Standing(announced.version, announced.kind, announced.version, 1_700_000_000_000)
        service.served = Served(model, standing)

    return put
