"""A share of users gets the challenger, and the clicks that come back say how both models do."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving_process import SHAPE, Serving, serving_of, shop_on
from sklearn.metrics import log_loss
from waiting import until

from bench.serving.models import Shop, item, user
from serving.canary import of_challenger
from stream import kafka
from stream.close.batches import Batch, Reached, messages
from stream.samples import Samples

pytestmark = pytest.mark.integration

SHARE, USERS, BEST = 0.3, 80, 10
CANDIDATES = [item(one) for one in range(0, SHAPE.items, 5)]
REACHED = Reached(watermark=0, ends=0, offset=0, event_at=0, counts={}, busy_ms=0)


@dataclass(frozen=True)
class Seen:
    """One impression of an answer, and whether it was clicked."""

    kind: str
    impression_id: str
    score: float
    clicked: bool


@pytest.fixture
def shop(bootstrap: str, tmp_path: Path) -> Shop:
    return shop_on(bootstrap, tmp_path)


@pytest.fixture
def metrics() -> str:
    """Where serving is to tell its metrics."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{one.getsockname()[1]}/metrics"


@pytest.fixture
def serving(shop: Shop, bootstrap: str, tmp_path: Path, metrics: str) -> Iterator[Serving]:
    port = httpx.URL(metrics).port
    sets = (f"serving.canary={SHARE}", f"serving.metrics_port={port}")
    with serving_of(shop, bootstrap, tmp_path, *sets) as serving:
        yield serving


def rank(client: httpx.Client, number: int, **more: Any) -> dict[str, Any]:
    body = {"user_id": user(number), "candidates": CANDIDATES, "k": BEST} | more
    answer: dict[str, Any] = client.post("/rank", json=body).raise_for_status().json()
    return answer


def write(
    shop: Shop,
    samples_of: Callable[[Sequence[Any]], Samples],
    first: int,
    labelled: Sequence[tuple[str, int]],
) -> None:
    """A batch of samples as windowing writes it, numbered from `first` on."""
    made = samples_of([("u", "i", {"impression": one, "label": label}) for one, label in labelled])
    made.number[:] += first
    writer = kafka.Writer(shop.broker)
    for value, headers in messages(Batch(0, first, made, REACHED), REACHED):
        writer.write(shop.topics.samples, value, headers=headers)
    writer.flush()


def test_both_models_are_scored_by_the_clicks_that_come_back(
    shop: Shop, serving: Serving, metrics: str, samples_of: Callable[[Sequence[Any]], Samples]
) -> None:
    inside = [one for one in range(USERS) if of_challenger(user(one), SHARE)]
    shop.next("star")
    serving.until_served(1)
    with httpx.Client(base_url=serving.address) as client:
        until(lambda: rank(client, inside[0])["kind"] == "theta")
        answers = [rank(client, one, log=True) for one in range(USERS)]
    assert [one for one in range(USERS) if answers[one]["kind"] == "theta"] == inside
    assert {one["model_version"] for one in answers} == {1}
    seen = [
        Seen(answer["kind"], one["impression_id"], one["score"], clicked=(number + place) % 3 == 0)
        for number, answer in enumerate(answers)
        for place, one in enumerate(answer["items"])
    ]

    labelled = [(one.impression_id, int(one.clicked)) for one in seen]
    half = len(labelled) // 2
    write(shop, samples_of, 0, [*labelled[:half], ("p7", 1)])
    write(shop, samples_of, 0, [*labelled[:half], ("p7", 1)])  # again, as after a crash of windowing
    write(shop, samples_of, half + 1, labelled[half:])
    arms = until(lambda: counted(serving.state(), len(seen)))
    assert [arm["kind"] for arm in arms] == ["star", "theta"]
    for arm in arms:
        mine = [one for one in seen if one.kind == arm["kind"]]
        clicks = [one.clicked for one in mine]
        assert (arm["impressions"], arm["clicks"]) == (len(mine), sum(clicks))
        assert arm["click_through"] == pytest.approx(sum(clicks) / len(mine))
        expected = log_loss(clicks, [one.score for one in mine])
        assert arm["logloss"] == pytest.approx(expected, rel=1e-3)
        told = httpx.get(metrics).text
        assert f'asmg_serving_canary_impressions{{kind="{arm["kind"]}"}} {len(mine)}.0' in told

    said = serving.state()["health"]
    apart = arms[1]["logloss"] - arms[0]["logloss"]
    assert said["level"] == "green"
    assert said["sentence"].endswith(
        f"canary: Θ for 30 % of users, LogLoss {abs(apart):.4f} {'worse' if apart > 0 else 'better'} "
        f"over {BEST * len(inside)} impressions"
    )

    shop.next("theta")
    until(lambda: "canary: Θ* for 30 % of users" in serving.state()["health"]["sentence"])
    assert serving.state()["canary"] == {"share": SHARE, "arms": arms[::-1]}


def counted(state: dict[str, Any], impressions: int) -> list[dict[str, Any]] | None:
    """The arms, once so many impressions are in them."""
    arms: list[dict[str, Any]] = state["canary"]["arms"]
    return arms if sum(arm["impressions"] for arm in arms) == impressions else None
