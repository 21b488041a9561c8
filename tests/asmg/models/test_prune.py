"""Which parts go when old versions are pruned."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from rich.console import Console

from asmg.models.prune import pruned, said
from asmg.models.registry import Registry
from metagen.settings import MetagenSettings
from serving.words import Words
from stream.errors import ConfigurationError
from stream.records import Announcement, Serve, Shadow, encode
from stream.store import ParquetStore
from stream.topics import Topics
from trainer.announced import Announced
from trainer.kafka import Workplace

TOPICS = Topics("t.")
LAST, KEEP = 40, 22


@pytest.fixture
def models(tmp_path: Path) -> Registry:
    """Θ and Θ* of 40 periods, with a part that all share, and a shadow of the first 39."""
    store, announced, words = ParquetStore(tmp_path), Announced(TOPICS), Words()
    for version in range(1, LAST + 1):
        for kind in ("theta", "star"):
            parts = {role: store.put(pa.table(content)) for role, content in _contents(kind, version).items()}
            one = Announcement(kind=kind, version=version, parts=parts, parents={})  # type: ignore[arg-type]
            announced.take(TOPICS.models, encode(one))
        if version < LAST:
            part = store.put(pa.table({"shadow": [version]}))
            announced.take(TOPICS.shadows, encode(Shadow(name="iu", version=version, parts={"mlp": part})))
        word = Serve(period=version, kind="star", version=version, reason="it is ahead")
        announced.take(TOPICS.serve, encode(word))
        words.take(word)
    place = Workplace({}, TOPICS, store, lambda _: None, 0)  # type: ignore[arg-type, return-value]
    return Registry(place, None, announced, words)  # type: ignore[arg-type]


def _contents(kind: str, version: int) -> dict[str, Any]:
    return {"mlp": {"value": [f"{kind}/{version}"]}, "catalogue": {"value": ["the same in all"]}}


def prune(models: Registry, keep: int = KEEP, *, dry: bool = False, shadows: tuple[str, ...] = ()) -> Any:
    return pruned(models, MetagenSettings(), shadows, keep, dry, Console(quiet=True))


def whole(models: Registry) -> set[str]:
    """Names of the models of which the store has every part."""
    has, announced = models.place.store.has, models.announced
    found = {f"{kind}/{version}": one for (kind, version), one in announced.models.items()}
    found |= {f"{name}/{version}": one for (name, version), one in announced.shadows.items()}
    return {name for name, one in found.items() if all(map(has, one.parts.values()))}


def names(first: int) -> set[str]:
    kept = {f"{kind}/{version}" for kind in ("theta", "star") for version in range(first, LAST + 1)}
    return kept | {f"iu/{version}" for version in range(first, LAST)}


def test_the_newest_stay_whole_and_what_they_share_with_older_ones_stays(models: Registry) -> None:
    done = prune(models)
    assert whole(models) == names(LAST - KEEP + 1)
    assert done == {"first_kept": 19, "versions": 18, "parts": 3 * 18, "dry_run": False}
    assert said(done) == "54 parts of versions before 19 gone"
    assert said(prune(models)).startswith("nothing to prune")


def test_a_dry_run_tells_the_same_and_takes_nothing(models: Registry) -> None:
    told = prune(models, dry=True)
    assert whole(models) == names(1)
    assert told | {"dry_run": False} == prune(models)


def test_what_is_held_stays(models: Registry) -> None:
    models.words.take(Serve(period=LAST, kind="theta", version=2, reason="better", held_by="ann"))
    prune(models)
    assert whole(models) == names(LAST - KEEP + 1) | {"theta/2"}


def test_a_shadow_that_lags_behind_keeps_what_it_will_read(models: Registry) -> None:
    assert prune(models, shadows=("iu",))["first_kept"] == LAST - KEEP
    assert said(prune(models, shadows=("iu", "bu-3"))).startswith("nothing to prune")  # bu-3 has not begun


def test_fewer_than_workers_read_back_are_refused(models: Registry) -> None:
    with pytest.raises(ConfigurationError, match="--keep must be 22 or more"):
        prune(models, keep=KEEP - 1)
    assert whole(models) == names(1)
