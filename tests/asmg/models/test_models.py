"""Which model is meant, and what is told of it."""

import io
import re
from typing import Any

import pyarrow as pa
import pytest
from rich.console import Console

from asmg.models.listing import listed, listing, showing, shown
from asmg.models.registry import Registry
from asmg.models.remake import said
from asmg.models.rollback import release, rollback
from serving.words import Words
from stream.errors import ConfigurationError, CorruptArtefact
from stream.records import Announcement, Score, Serve, decode, encode
from stream.store import ParquetStore
from stream.topics import Topics
from trainer.announced import Announced
from trainer.kafka import Workplace

TOPICS = Topics("t.")


def score(auc: float) -> Score:
    return Score(auc=auc, logloss=1 - auc, rows=10)


def serve(period: int, kind: Any, **more: Any) -> Serve:
    return Serve(period=period, kind=kind, version=period, reason=f"because of {period}", **more)


@pytest.fixture
def models(tmp_path: Any) -> Registry:
    """Θ of three periods and Θ* of the last two, which the gate let serve after the third."""
    store, announced, words = ParquetStore(tmp_path), Announced(TOPICS), Words()
    for version, kinds in ((1, ["theta"]), (2, ["theta", "star"]), (3, ["theta", "star"])):
        for kind in kinds:
            part = store.put(pa.table({"value": [version, len(kind)]}))
            one = Announcement(
                kind=kind,  # type: ignore[arg-type]
                version=version,
                parts={"mlp": part},
                parents={},
                score=score(0.5 + version / 10) if version > 1 else None,
                settings={"seed": 0, "trainer": {"k": None, "batch": 5}},
                announced_at=1_700_000_000_000,
            )
            announced.take(TOPICS.models, encode(one))
    for word in (serve(1, "theta"), serve(2, "theta"), serve(3, "star")):
        announced.take(TOPICS.serve, encode(word))
        words.take(word)
    place = Workplace({}, TOPICS, store, lambda _: None, 0)  # type: ignore[arg-type, return-value]
    return Registry(place, None, announced, words)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "kind", "version"),
    [("star/2", "star", 2), ("theta/3", "theta", 3), ("2", "theta", 2), ("3", "star", 3)],
)
def test_a_model_is_meant_by_its_name_or_by_the_period_it_served_after(
    models: Registry, text: str, kind: str, version: int
) -> None:
    found = models.meant(text)
    assert (found.kind, found.version) == (kind, version)


@pytest.mark.parametrize("text", ["star/1", "9", "moon/2", "theta/", "", "theta/-1", "theta/2.0"])
def test_what_is_not_there_is_said_with_what_is(models: Registry, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        models.meant(text)
    assert str(caught.value) == (
        f"there is no model {text}: there are theta/1 to theta/3 and star/2 to star/3"
    )


def test_the_list_has_scores_on_the_period_after_and_what_serves(models: Registry) -> None:
    rows = listed(models)
    assert [row["model"] for row in rows] == ["theta/1", "theta/2", "star/2", "theta/3", "star/3"]
    assert [row["auc"] for row in rows] == [0.7, 0.8, 0.8, None, None]  # version 2 tells of version 1
    assert [row["serves"] for row in rows] == [False] * 4 + [True]
    assert [row["gate"] for row in rows] == ["because of 1", "because of 2", None, None, "because of 3"]
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(listing(rows))
    assert re.search(r"star/3 +2023-11-14 22:13:20 .*because of 3 +serves", console.export_text())


def test_what_is_shown_has_been_checked(models: Registry) -> None:
    one = models.meant("star/2")
    found = shown(models, one)
    assert found["parts"]["mlp"]["rows"] == 2
    assert found["score"]["auc"] == 0.8
    assert found["score_of_before"]["auc"] == 0.7
    showing(found)
    folder = models.place.store.folder  # type: ignore[attr-defined]
    name, other = one.parts["mlp"], models.meant("theta/1").parts["mlp"]
    (folder / name[:2] / f"{name}.parquet").write_bytes(
        (folder / other[:2] / f"{other}.parquet").read_bytes()
    )
    with pytest.raises(CorruptArtefact):
        shown(models, one)


def test_a_word_of_an_operator_is_written_once_the_model_is_whole(
    models: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Serve] = []

    class Writer:
        def __init__(self, _kafka: object) -> None: ...

        def write(self, topic: str, value: bytes, *, key: bytes) -> None:
            assert (topic, key) == (TOPICS.serve, b"operator")
            written.append(decode(Serve, value))
            models.words.take(written[-1])

        def flush(self) -> None: ...

    monkeypatch.setattr("asmg.models.rollback.Writer", Writer)
    with pytest.raises(ConfigurationError, match="nothing is held: the gate's word counts, star/3 serves"):
        release(models, "me", "again")
    rollback(models, models.meant("theta/2"), "me", "it fell")
    assert (models.serving, models.words.current) == ("theta/2", written[0])
    assert [row["held_by"] for row in listed(models) if row["serves"]] == ["me"]
    assert (written[0].period, written[0].held_by, written[0].reason) == (3, "me", "it fell")
    assert release(models, "me", "well again") == "star/3"
    assert models.serving == "star/3"
    models.place.store.delete(models.meant("theta/1").parts["mlp"])
    with pytest.raises(Exception, match="the store has no part"):
        rollback(models, models.meant("theta/1"), "me", "it fell")
    assert len(written) == 2


def test_the_verdict_names_the_first_model_that_differs(models: Registry) -> None:
    model = models.meant("star/3")
    same = [
        {"model": "theta/1", "parts": 3, "differing": [], "superseded": [], "forgotten": 0, "nobodys": 0},
        {"model": "star/3", "parts": 4, "differing": [], "superseded": [], "forgotten": 0, "nobodys": 0},
    ]
    assert said(same, model) == "2 models: 7 parts came out the same, byte by byte"
    assert said(same[1:], model) == "star/3: 4 parts came out the same, byte by byte"
    other = [same[0], same[1] | {"differing": ["mlp", "user"]}]
    assert said(other, model).startswith("star/3 comes out different in mlp, user (made by version")
