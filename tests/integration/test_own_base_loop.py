"""The example of docs/base-model.md through the whole loop: events in, models of a DCN, its answers out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from loop_shop import PERIOD, at_work_on, version
from waiting import until

from asmg.models.registry import registry
from asmg.options import settings_of
from metagen.rebuild import rebuild
from serving.service import probabilities
from trainer.activity import Activity
from trainer.batches import make_examples
from trainer.kafka import get_all
from trainer.model import grown
from trainer.parts import read_activity
from trainer.score import logits_of
from trainer.settings import TrainerSettings
from trainer.snapshot import read_catalogue, read_theta
from trainer.source import sha256_of

pytestmark = pytest.mark.integration

BASE = "examples.dcn:DCN"


def test_a_dcn_learns_generates_and_answers_as_the_trainer_scores(
    bootstrap: str, tmp_path: Path, samples_of: Any
) -> None:
    told = {"ASMG_TRAINER_BASE": BASE, "ASMG_TRAINER_EMBEDDING": "4"}
    with at_work_on(bootstrap, tmp_path, **told) as (shop, address):
        shop.open_for(4 * PERIOD)  # three periods close
        candidates = [f"i{one}" for one in range(50)] + ["new"]
        asked = {"user_id": "u2", "candidates": candidates, "k": len(candidates), "explain": True}

        def beside() -> dict[str, Any] | None:
            """The answer of the third period's models, once two kinds of them stand side by side."""
            if version(address) < 3:
                return None
            answer: dict[str, Any] = httpx.post(f"{address}/rank", json=asked).json()
            return answer if sum(one is not None for one in answer["explained"].values()) > 1 else None

        answer = until(beside, 150)  # seconds, on a machine that others use
        assert answer["unknown_items"] == 1
        flags = [f"kafka.bootstrap={bootstrap}", f"kafka.prefix={shop.topics.prefix}", f"trainer.base={BASE}"]
        with registry(settings_of([*flags, "trainer.embedding=4"], tmp_path)) as models:
            for kind, number in answer["explained"].items():
                if (model := models.announced.model(kind, number)) is None:
                    continue
                assert model.settings["trainer"]["base"] == BASE
                assert model.settings["base_sha256"] == sha256_of(BASE)
                expected = scores_of(models.place.store, model, answer, samples_of)
                found = [one[kind] for one in answer["items"]]
                np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
                again = rebuild(models.place, models.announced, model, trainer_base=BASE)
                assert again.differing == []


def scores_of(store: Any, model: Any, answer: dict[str, Any], samples_of: Any) -> list[float]:
    """What the trainer says of the answer's items: the same user, with the history that was answered with."""
    settings, parts = TrainerSettings(**model.settings["trainer"]), get_all(store, model)
    catalogue = read_catalogue(parts, settings)
    activity: dict[str, Activity] = {name: read_activity(parts[name]) for name in ("user", "item")}
    rows = [("u2", one["item_id"], {"history": answer["history"]}) for one in answer["items"]]
    samples = samples_of(rows)
    catalogue.extend(samples)
    seed = int(model.settings["seed"])
    theta = grown(read_theta(parts, settings), catalogue.columns(), settings, seed)
    examples = make_examples(samples, catalogue, model.version + 1, seed, 0, before=activity)
    return probabilities(logits_of(theta, examples, catalogue))
