"""Over HTTP: scores, the best of the catalogue, explanations, the inference protocol, ids, limits of time."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import msgspec
import numpy as np
import pyarrow as pa
import pytest
from clock import Clock
from serving_factory import Factory, Shelf, load
from test_api import Ask, error_of, exchange

from serving import service as of_service
from serving.canary import of_challenger, read_marks
from serving.model import Model
from serving.service import Other, Service
from serving.settings import ServingSettings
from stream.records import Announcement, History, encode

#: Routes that take a body.
BODIES = [
    "/rank",
    "/score",
    "/recommend",
    "/v2/models/asmg/infer",
    "/v2/models/asmg/versions/{version}/infer",
]
#: Routes that answer with JSON and take none.
ANSWERS = [
    "/healthz",
    "/version",
    "/state",
    "/v2",
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models/asmg",
    "/v2/models/asmg/ready",
]
INFER = "/v2/models/asmg/infer"


@pytest.fixture
def ask(service: Service) -> Ask:
    def send(method: str, path: str, **more: Any) -> httpx.Response:
        response = exchange(service, lambda client: client.request(method, path, **more))
        assert isinstance(response, httpx.Response)
        return response

    return send


@pytest.fixture
def model(factory: Factory, serve: Callable[[Announcement], None], service: Service) -> Model:
    """Θ_2, in service; one user has a history."""
    factory.next()
    serve(factory.next())
    service.histories.take(b"u1", encode(History(items=["i3", "i4"], times=[2, 1])))
    assert service.served is not None
    return service.served.model


def chances(logits: np.ndarray) -> list[float]:
    return list((1 / (1 + np.exp(-logits.astype(float)))).tolist())


def tensor(name: str, data: list[Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "shape": [len(data)], "datatype": "BYTES", "data": data, **more}


def infer(ask: Ask, users: list[Any], items: list[Any], path: str = INFER, **more: Any) -> httpx.Response:
    return ask("POST", path, json={"inputs": [tensor("user_id", users), tensor("item_id", items)], **more})


# /score


def test_pairs_are_scored_in_their_order_each_with_its_users_history(
    ask: Ask, model: Model, service: Service
) -> None:
    pairs = [("u1", "i5"), ("u2", "i5"), ("u1", "i3"), ("stranger", "i5"), ("u2", "new"), ("u1", "i5")]
    body = {"pairs": [{"user_id": user, "item_id": item} for user, item in pairs]}
    answer = ask("POST", "/score", json=body).json()
    assert (answer["model_version"], answer["kind"]) == (2, "theta")
    histories = {user: service.histories.of(user) for user, _ in pairs}
    assert histories["u1"] == ("i3", "i4")
    alone = np.array([model.score(user, histories[user], [item]).logits[0] for user, item in pairs])
    np.testing.assert_allclose(answer["scores"], chances(alone), rtol=1e-5)
    assert answer["scores"][0] == answer["scores"][5]
    assert set(answer) == {"model_version", "kind", "scores", "unknown_users", "unknown_items"}


@pytest.mark.usefixtures("model")
def test_unknown_users_and_items_of_pairs_are_counted(ask: Ask, service: Service) -> None:
    pairs = [("stranger", "i5"), ("stranger", "new"), ("other", "i5"), ("u1", "new"), ("u1", "newer")]
    body = {"pairs": [{"user_id": user, "item_id": item} for user, item in pairs]}
    answer = ask("POST", "/score", json=body).json()
    assert (answer["unknown_users"], answer["unknown_items"]) == (2, 3)
    assert service.tally.unknown == {"users": 2, "items": 3}


@pytest.mark.usefixtures("model")
def test_categories_of_a_pairs_item_count(ask: Ask) -> None:
    pairs = {"pairs": [{"user_id": "u1", "item_id": "new"}]}
    plain = ask("POST", "/score", json=pairs).json()["scores"]
    assert ask("POST", "/score", json=pairs | {"categories": {"new": ["c1"]}}).json()["scores"] != plain
    assert ask("POST", "/score", json=pairs | {"categories": {"i1": ["c1"]}}).json()["scores"] == plain


@pytest.mark.usefixtures("model")
def test_a_pair_is_scored_as_it_is_ranked(ask: Ask) -> None:
    ranked = ask("POST", "/rank", json={"user_id": "u1", "candidates": ["i7"]}).json()["items"][0]["score"]
    scored = ask("POST", "/score", json={"pairs": [{"user_id": "u1", "item_id": "i7"}]}).json()["scores"]
    inferred = infer(ask, ["u1"], ["i7"]).json()["outputs"][0]["data"]
    assert scored == inferred == [ranked]


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{}", "missing required field pairs"),
        (b'{"pairs":[]}', "pairs is empty"),
        (b'{"pairs":[{"user_id":"u"}]}', "missing required field item_id"),
        (b'{"pairs":[["u","i"]]}', "pairs[0]: expected an object"),
        (b'{"pairs":[{"user_id":"u","item_id":""}]}', "pairs[0].item_id"),
    ],
)
def test_pairs_that_cannot_be_used_are_told_in_one_line(ask: Ask, body: bytes, told: str) -> None:
    response = ask("POST", "/score", content=body)
    assert (response.status_code, told in error_of(response)) == (422, True), response.text


@pytest.mark.usefixtures("model")
def test_too_many_pairs_are_refused_with_the_limit(ask: Ask, service: Service) -> None:
    service.settings = ServingSettings(max_candidates=3)
    pair = {"user_id": "u", "item_id": 1}
    assert ask("POST", "/score", json={"pairs": [pair] * 3}).status_code == 200
    response = ask("POST", "/score", json={"pairs": [pair] * 4})
    assert response.status_code == 422
    assert "4 pairs are more than the 3" in error_of(response)


# /recommend


def test_the_best_of_the_catalogue_are_recommended_without_the_history(ask: Ask, model: Model) -> None:
    answer = ask("POST", "/recommend", json={"user_id": "u1", "k": 6}).json()
    others = [one for one in model.catalogue.items.names.to_pylist() if one not in ("i3", "i4")]
    logits = model.score("u1", ["i3", "i4"], others).logits
    best = np.argsort(-logits, kind="stable")[:6]
    assert [one["item_id"] for one in answer["items"]] == [others[place] for place in best]
    np.testing.assert_allclose([one["score"] for one in answer["items"]], chances(logits[best]), rtol=1e-5)
    assert (answer["model_version"], answer["unknown_user"], answer["unknown_items"]) == (2, False, 0)
    assert set(answer["items"][0]) == {"item_id", "score"}


@pytest.mark.usefixtures("model")
def test_ten_are_recommended_where_nobody_says_how_many(ask: Ask) -> None:
    answer = ask("POST", "/recommend", json={"user_id": "stranger"}).json()
    assert len(answer["items"]) == 10
    assert answer["unknown_user"] is True


def test_only_items_of_the_categories_are_recommended(ask: Ask, model: Model) -> None:
    body = {"user_id": "u1", "k": 100, "categories": ["c1", "c3"]}
    items = [one["item_id"] for one in ask("POST", "/recommend", json=body).json()["items"]]
    wanted = {
        one
        for one in model.catalogue.items.names.to_pylist()
        if {"c1", "c3"} & set(model.categories_of(one, {})) and one not in ("i3", "i4")
    }
    assert len(items) == len(set(items))
    assert set(items) == wanted != set()


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("categories", [["never"], []])
def test_of_a_category_nobody_knows_nothing_is_recommended(ask: Ask, categories: list[str]) -> None:
    response = ask("POST", "/recommend", json={"user_id": "u1", "categories": categories})
    assert response.status_code == 200, response.text
    assert response.json()["items"] == []


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"user_id": "u", "k": 10_001}, "10,001 is more than the 10,000 items"),
        ({"user_id": "u", "k": 0}, "k: expected int >= 1"),
        ({"k": 3}, "missing required field user_id"),
        ({"user_id": "u", "categories": "c1"}, "categories: expected"),
    ],
)
def test_a_recommendation_that_cannot_be_made_is_told_in_one_line(
    ask: Ask, body: dict[str, Any], told: str
) -> None:
    response = ask("POST", "/recommend", json=body)
    assert (response.status_code, told in error_of(response)) == (422, True), response.text


def test_what_was_recommended_is_logged_with_the_catalogues_categories(
    ask: Ask, model: Model, shelf: Shelf
) -> None:
    items = ask("POST", "/recommend", json={"user_id": "u1", "k": 4, "log": True}).json()["items"]
    assert [(one.item_id, one.impression_id) for one in shelf.taken] == [
        (one["item_id"], one["impression_id"]) for one in items
    ]
    assert [one.categories for one in shelf.taken] == [
        model.categories_of(one.item_id, {}) for one in shelf.taken
    ]
    shelf.full = True
    assert ask("POST", "/recommend", json={"user_id": "u1", "log": True}).status_code == 503


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/score", {"pairs": [{"user_id": "u", "item_id": "i"}]}),
        ("/recommend", {"user_id": "u"}),
        (INFER, {"inputs": [tensor("user_id", ["u"]), tensor("item_id", ["i"])]}),
    ],
)
def test_before_the_first_model_whoever_asks_is_told_to_come_back(
    ask: Ask, path: str, body: dict[str, Any]
) -> None:
    response = ask("POST", path, json=body)
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    assert "no model serves yet" in error_of(response)


def test_others_are_answered_between_the_blocks_of_a_search(
    service: Service, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.model.BLOCK", 2)
    order: list[str] = []

    async def work(client: httpx.AsyncClient) -> None:
        async def one(path: str, body: dict[str, Any]) -> None:
            assert (await client.post(path, json=body)).status_code == 200
            order.append(path)

        await asyncio.gather(
            one("/recommend", {"user_id": "u1"}), one("/rank", {"user_id": "u1", "candidates": ["i1"]})
        )

    exchange(service, work)
    assert order == ["/rank", "/recommend"]


# explanations


def other_of(factory: Factory, version: int, kind: str = "star") -> Other:
    """A model with other numbers than the one in service."""
    announced = factory.next("star")
    return Other(load(factory.store, announced, factory.settings), kind, version)  # type: ignore[arg-type]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for another model to stand beside the one that serves."""
    monkeypatch.setattr(of_service, "OTHER", 0.0)


def test_an_explanation_has_theta_and_star_side_by_side(
    ask: Ask, model: Model, service: Service, factory: Factory
) -> None:
    service.beside = other = other_of(factory, 3)
    candidates = ["i1", "new", "i2", "i5"]
    body = {"user_id": "u1", "candidates": candidates, "k": 3}
    plain = ask("POST", "/rank", json=body).json()
    answer = ask("POST", "/rank", json=body | {"explain": True}).json()
    items = [one["item_id"] for one in answer["items"]]
    assert items == [one["item_id"] for one in plain["items"]]
    assert [one["theta"] for one in answer["items"]] == [one["score"] for one in answer["items"]]
    star = other.model.score("u1", ["i3", "i4"], items).logits
    np.testing.assert_allclose([one["star"] for one in answer["items"]], chances(star), rtol=1e-5)
    assert [one["star"] for one in answer["items"]] != [one["theta"] for one in answer["items"]]
    assert answer["explained"] == {"theta": 2, "star": 3}
    assert answer["history"] == ["i3", "i4"]
    known = {one: one in model.catalogue.items.names.to_pylist() for one in candidates}
    assert {one["item_id"]: one["known"] for one in answer["items"]} == {one: known[one] for one in items}
    assert not {"explained", "history"} & plain.keys()


@pytest.mark.usefixtures("model", "impatient")
def test_an_item_that_no_period_has_seen_is_said_to_be_unknown(ask: Ask) -> None:
    body = {"user_id": "u1", "candidates": ["new", "i5"], "explain": True}
    items = ask("POST", "/rank", json=body).json()["items"]
    assert {one["item_id"]: one["known"] for one in items} == {"new": False, "i5": True}


@pytest.mark.usefixtures("model", "impatient")
@pytest.mark.parametrize("same_kind", [False, True])
def test_without_the_other_model_its_scores_are_left_out(
    ask: Ask, service: Service, factory: Factory, same_kind: bool
) -> None:
    if same_kind:
        service.beside = other_of(factory, 3, "theta")
    body = {"user_id": "nobody", "candidates": ["i1"], "explain": True}
    answer = ask("POST", "/rank", json=body).json()
    assert answer["explained"] == {"theta": 2, "star": None}
    assert answer["items"][0]["theta"] == answer["items"][0]["score"]
    assert "star" not in answer["items"][0]
    assert answer["history"] == []


def test_who_asks_first_for_an_explanation_waits_for_the_other_model_and_others_do_not_wait_for_him(
    model: Model, service: Service, factory: Factory
) -> None:
    other = other_of(factory, 2)
    body = {"user_id": "u1", "candidates": ["i1", "i2"], "k": 2}
    assert not service.awaits_other

    async def work(client: httpx.AsyncClient) -> None:
        explained = asyncio.create_task(client.post("/rank", json=body | {"explain": True}))
        while not (service.awaits_other or explained.done()):
            await asyncio.sleep(0.001)
        assert (await client.post("/rank", json=body)).json()["kind"] == "theta"
        assert not explained.done()
        service.beside = other
        assert (await explained).json()["explained"] == {"theta": 2, "star": 2}
        assert not service.awaits_other

    exchange(service, work)


@pytest.mark.usefixtures("model")
def test_what_has_not_come_in_time_nobody_waits_for_again_until_another_model_serves(
    ask: Ask, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_service, "OTHER", 0.1)
    body = {"user_id": "u1", "candidates": ["i1"], "explain": True}
    for seconds, waits in ((0.1, True), (0.0, False)):
        began = time.monotonic()
        assert ask("POST", "/rank", json=body).json()["explained"] == {"theta": 2, "star": None}
        assert (time.monotonic() - began >= 0.1) == waits, seconds
    assert service.served is not None
    service.served = dataclasses.replace(service.served)
    began = time.monotonic()
    ask("POST", "/rank", json=body)
    assert time.monotonic() - began >= 0.1


@pytest.mark.usefixtures("model")
def test_who_says_how_long_to_wait_for_an_answer_waits_no_longer_for_an_explanation(ask: Ask) -> None:
    body = {"user_id": "u1", "candidates": ["i1"], "explain": True}
    answer = ask("POST", "/rank", json=body, headers={"x-timeout-ms": "30"})
    assert answer.status_code == 504
    assert "the 30 ms" in answer.json()["error"]


@pytest.mark.usefixtures("model")
def test_where_nothing_is_compared_nobody_waits(ask: Ask, service: Service) -> None:
    service.settings = ServingSettings(compare=False)
    body = {"user_id": "u1", "candidates": ["i1"], "explain": True}
    assert ask("POST", "/rank", json=body).json()["explained"] == {"theta": 2, "star": None}
    assert not service.awaits_other


def test_an_explanation_takes_the_categories_that_were_given(
    ask: Ask, model: Model, service: Service, factory: Factory
) -> None:
    service.beside = other_of(factory, 3)
    body = {"user_id": "u1", "candidates": ["new"], "explain": True}
    plain = ask("POST", "/rank", json=body).json()["items"][0]
    given = ask("POST", "/rank", json=body | {"categories": {"new": ["c1"]}}).json()["items"][0]
    assert plain["theta"] != given["theta"]
    assert plain["star"] != given["star"]


# the canary


@pytest.fixture
def challenged(model: Model, service: Service, factory: Factory) -> Other:
    """Θ*_2, of other numbers, beside Θ_2, for half of the users."""
    service.settings = ServingSettings(canary=0.5)
    service.beside = other = other_of(factory, 2)
    return other


#: In the canary and not, where half of the users are.
INSIDE, OUTSIDE = "u3", "u1"


@pytest.mark.parametrize(("user", "kind"), [(INSIDE, "star"), (OUTSIDE, "theta")])
def test_users_in_the_canary_are_answered_by_the_challenger_and_told_so(
    ask: Ask, model: Model, challenged: Other, user: str, kind: str
) -> None:
    expected = challenged.model if kind == "star" else model
    history = ["i3", "i4"] if user == "u1" else []
    ranked = ask("POST", "/rank", json={"user_id": user, "candidates": ["i1", "i2", "new"], "k": 3}).json()
    found = ask("POST", "/recommend", json={"user_id": user, "k": 3}).json()
    for answer in (ranked, found):
        assert (answer["kind"], answer["model_version"]) == (kind, 2)
        items = [one["item_id"] for one in answer["items"]]
        said = chances(expected.score(user, history, items).logits)
        np.testing.assert_allclose([one["score"] for one in answer["items"]], said, rtol=1e-5)


@pytest.mark.usefixtures("challenged")
@pytest.mark.parametrize("share", [0.0, 0.2, 0.5])
def test_the_users_of_the_challenger_are_the_share_that_was_asked_for(service: Service, share: float) -> None:
    service.settings = ServingSettings(canary=share)
    users = [f"user-{one}" for one in range(60)]

    async def work(client: httpx.AsyncClient) -> list[str]:
        bodies = [{"user_id": user, "candidates": ["i1"]} for user in users]
        return [(await client.post("/rank", json=body)).json()["kind"] for body in bodies]

    inside = [user for user, kind in zip(users, exchange(service, work), strict=True) if kind == "star"]
    assert inside == [one for one in users if of_challenger(one, share)]


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(("kind", "version"), [("star", 1), ("star", 3), ("theta", 2), (None, 0)])
def test_without_a_challenger_of_the_version_that_serves_all_get_the_champion(
    ask: Ask, service: Service, factory: Factory, kind: str | None, version: int
) -> None:
    service.settings = ServingSettings(canary=0.5)
    served = ask("POST", "/rank", json={"user_id": INSIDE, "candidates": ["i1"]}).json()
    service.beside = other_of(factory, version, kind) if kind else None
    assert ask("POST", "/rank", json={"user_id": INSIDE, "candidates": ["i1"]}).json() == served
    assert served["kind"] == "theta"


@pytest.mark.usefixtures("challenged")
def test_while_an_operator_holds_nobody_gets_the_challenger(ask: Ask, service: Service) -> None:
    assert service.served is not None
    held = msgspec.structs.replace(service.served.standing, held=True)
    service.served = dataclasses.replace(service.served, standing=held)
    for path, more in (("/rank", {"candidates": ["i1", "i2"]}), ("/recommend", {})):
        assert ask("POST", path, json={"user_id": INSIDE, "k": 2} | more).json()["kind"] == "theta"


@pytest.mark.usefixtures("challenged")
def test_pairs_and_the_inference_protocol_are_answered_by_the_champion_for_everybody(
    ask: Ask, model: Model
) -> None:
    scored = ask("POST", "/score", json={"pairs": [{"user_id": INSIDE, "item_id": "i5"}]}).json()
    assert scored["kind"] == "theta"
    np.testing.assert_allclose(scored["scores"], chances(model.score(INSIDE, [], ["i5"]).logits), rtol=1e-5)
    inferred = infer(ask, [INSIDE], ["i5"]).json()
    assert inferred["parameters"] == {"kind": "theta"}
    np.testing.assert_allclose(inferred["outputs"][0]["data"], scored["scores"], rtol=1e-6)


@pytest.mark.usefixtures("challenged")
@pytest.mark.parametrize("user", [INSIDE, OUTSIDE])
def test_an_explanation_of_the_challengers_answer_has_the_champion_beside_it(ask: Ask, user: str) -> None:
    body = {"user_id": user, "candidates": ["i1", "i2", "i5"], "k": 3}
    answer = ask("POST", "/rank", json=body | {"explain": True}).json()
    assert answer["explained"] == {"theta": 2, "star": 2}
    for one in answer["items"]:
        assert one["score"] == one[answer["kind"]]
        assert one["theta"] != one["star"]


@pytest.mark.usefixtures("challenged")
@pytest.mark.parametrize(("user", "star"), [(INSIDE, True), (OUTSIDE, False)])
@pytest.mark.parametrize("path", ["/rank", "/recommend"])
def test_ids_of_what_was_logged_tell_who_answered_and_what_it_said(
    ask: Ask, shelf: Shelf, path: str, user: str, star: bool
) -> None:
    body = {"user_id": user, "k": 4, "log": True} | ({"candidates": ["i1", "i2"]} if path == "/rank" else {})
    items = ask("POST", path, json=body).json()["items"]
    assert [one.impression_id for one in shelf.taken] == [one["impression_id"] for one in items]
    told = read_marks(pa.array([one["impression_id"] for one in items]))
    assert told.ours.all()
    assert told.kind.tolist() == ["s" if star else "t"] * len(items)
    assert told.version.tolist() == [2] * len(items)
    np.testing.assert_allclose(told.score, [one["score"] for one in items], rtol=1e-3)


@pytest.mark.usefixtures("model")
def test_without_a_canary_ids_tell_nothing(ask: Ask) -> None:
    items = ask("POST", "/recommend", json={"user_id": "u1", "k": 4, "log": True}).json()["items"]
    assert not read_marks(pa.array([one["impression_id"] for one in items])).ours.any()
    assert all(re.fullmatch(r"[0-9a-f]{32}-[0-3]", one["impression_id"]) for one in items)


# the inference protocol


def test_a_server_says_what_it_is_and_that_it_lives(ask: Ask) -> None:
    server = ask("GET", "/v2").json()
    assert server["name"] == "asmg-stream"
    assert isinstance(server["version"], str)
    assert server["extensions"] == []
    assert ask("GET", "/v2/health/live").json() == {"live": True}


@pytest.mark.parametrize(
    ("path", "more"), [("/v2/health/ready", {}), ("/v2/models/asmg/ready", {"name": "asmg"})]
)
def test_it_is_ready_while_a_model_answers(
    ask: Ask, service: Service, factory: Factory, serve: Callable[[Announcement], None], path: str, more: Any
) -> None:
    told = []
    for step in (lambda: None, lambda: serve(factory.next()), lambda: setattr(service, "closing", True)):
        step()
        response = ask("GET", path)
        told.append((response.status_code, response.json()))
    ready = [(503, False), (200, True), (503, False)]
    assert told == [(status, {**more, "ready": each}) for status, each in ready]


def test_the_model_is_described_with_its_version(
    ask: Ask, factory: Factory, serve: Callable[[Announcement], None]
) -> None:
    before = ask("GET", "/v2/models/asmg").json()
    assert before["versions"] == []
    serve(factory.next())
    assert ask("GET", "/v2/models/asmg").json() == before | {"versions": ["1"]}
    assert before["name"] == "asmg"
    assert [one["name"] for one in before["inputs"]] == ["user_id", "item_id"]
    assert before["outputs"] == [{"name": "score", "datatype": "FP64", "shape": [-1]}]


def test_a_user_for_each_item_is_scored_or_one_for_all(ask: Ask, model: Model, service: Service) -> None:
    each = infer(ask, ["u1", "u2", "u1"], ["i5", "i5", "new"], id="mine").json()
    expected = [model.score(user, service.histories.of(user), [item]).logits[0] for user, item in
                [("u1", "i5"), ("u2", "i5"), ("u1", "new")]]  # fmt: skip
    np.testing.assert_allclose(each["outputs"][0]["data"], chances(np.array(expected)), rtol=1e-5)
    assert each["outputs"][0] | {"data": []} == {
        "name": "score",
        "shape": [3],
        "datatype": "FP64",
        "data": [],
    }
    assert (each["id"], each["model_name"], each["model_version"]) == ("mine", "asmg", "2")
    assert each["parameters"] == {"kind": "theta"}
    one = infer(ask, ["u1"], ["i5", "new"]).json()
    expected = [each["outputs"][0]["data"][place] for place in (0, 2)]
    np.testing.assert_allclose(one["outputs"][0]["data"], expected, rtol=1e-5)
    assert "id" not in one


@pytest.mark.usefixtures("model")
def test_ids_that_are_numbers_are_their_digits_and_a_batch_of_columns_is_taken(ask: Ask) -> None:
    plain = infer(ask, ["7"], ["12", "13"]).json()["outputs"]
    assert infer(ask, [7], [12, 13]).json()["outputs"] == plain
    inputs = [tensor("user_id", ["7"], shape=[1, 1]), tensor("item_id", ["12", "13"], shape=[2, 1])]
    assert ask("POST", INFER, json={"inputs": inputs}).json()["outputs"] == plain


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("shape", [[3], [1], [], [2, 2], [0], [-1], [-2, -1], [-1, 2, -1]])
def test_a_shape_that_lies_is_refused(ask: Ask, shape: list[int]) -> None:
    inputs = [tensor("user_id", ["u"]), tensor("item_id", ["a", "b"], shape=shape)]
    response = ask("POST", INFER, json={"inputs": inputs})
    assert response.status_code == 400, response.text
    assert f"item_id has the shape {shape} and 2 values" in error_of(response)


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ([], "inputs are none"),
        ([tensor("user_id", ["u"])], "inputs are user_id: give user_id and item_id"),
        ([tensor("user_id", ["u"]), tensor("item", ["i"])], "inputs are item, user_id"),
        ([tensor("user_id", ["u"]), tensor("item_id", ["i"]), tensor("age", ["3"])], "age"),
        ([tensor("user_id", ["u"]), tensor("item_id", [])], "item_id is empty"),
        (
            [tensor("user_id", ["u", "v"]), tensor("item_id", ["a", "b", "c"])],
            "2 of user_id for 3 of item_id",
        ),
        ([tensor("user_id", []), tensor("item_id", ["a"])], "0 of user_id for 1"),
    ],
)
def test_inputs_that_are_not_a_user_and_an_item_are_refused(
    ask: Ask, inputs: list[dict[str, Any]], told: str
) -> None:
    response = ask("POST", INFER, json={"inputs": inputs})
    assert (response.status_code, told in error_of(response)) == (400, True), response.text


@pytest.mark.usefixtures("model")
def test_a_field_of_another_type_is_refused_as_elsewhere(ask: Ask) -> None:
    response = ask("POST", INFER, json={"inputs": [tensor("user_id", [1.5]), tensor("item_id", ["a"])]})
    assert response.status_code == 422
    assert "inputs[0].data[0]" in error_of(response)
    assert ask("POST", INFER, content=b"{").status_code == 400


@pytest.mark.usefixtures("model")
def test_too_many_items_are_refused_with_the_limit(ask: Ask, service: Service) -> None:
    service.settings = ServingSettings(max_candidates=3)
    assert infer(ask, ["u"], ["a", "b", "c"]).status_code == 200
    response = infer(ask, ["u"], ["a", "b", "c", "d"])
    assert response.status_code == 422
    assert "4 item_id are more than the 3" in error_of(response)


@pytest.mark.usefixtures("model")
def test_only_the_version_that_serves_answers(ask: Ask) -> None:
    assert infer(ask, ["u"], ["a"], "/v2/models/asmg/versions/2/infer").status_code == 200
    for other in ("1", "02", "star"):
        response = infer(ask, ["u"], ["a"], f"/v2/models/asmg/versions/{other}/infer")
        assert response.status_code == 404
        assert f"version {other} does not serve: 2 does" in error_of(response)


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2/models/other"),
        ("GET", "/v2/models/other/ready"),
        ("POST", "/v2/models/other/infer"),
        ("POST", "/v2/models/other/versions/2/infer"),
    ],
)
def test_there_is_no_other_model(ask: Ask, method: str, path: str) -> None:
    response = ask(method, path)
    assert response.status_code == 404
    assert "other" in error_of(response)


@pytest.mark.usefixtures("model")
def test_only_outputs_that_there_are_can_be_asked_for(ask: Ask) -> None:
    plain = infer(ask, ["u"], ["a"]).json()
    assert infer(ask, ["u"], ["a"], outputs=[{"name": "score"}]).json() == plain
    response = infer(ask, ["u"], ["a"], outputs=[{"name": "score"}, {"name": "rank"}])
    assert response.status_code == 400
    assert "no output rank" in error_of(response)


# ids of requests


@pytest.mark.parametrize("told", ["abc", "A-1:2/3_{}~!", "x" * 128])
def test_a_request_keeps_the_id_its_caller_gave_it(ask: Ask, told: str) -> None:
    assert ask("GET", "/version", headers={"x-request-id": told}).headers["x-request-id"] == told


@pytest.mark.parametrize("told", [None, b"", b"a b", b"a\tb", b"caf\xe9", b"x" * 129])
def test_a_request_without_a_usable_id_is_given_one_that_nobody_else_has(
    ask: Ask, told: bytes | None
) -> None:
    headers = {} if told is None else {"x-request-id": told}
    given = [ask("GET", "/version", headers=headers).headers["x-request-id"] for _ in range(2)]
    assert given[0] != given[1]
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in given)


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("GET", "/nowhere", {}, 404),
        ("POST", "/rank", {"content": b"{"}, 400),
        ("GET", "/healthz", {}, 503),
        ("GET", "/state", {"headers": {"host": "evil.example"}}, 403),
    ],
)
def test_a_refusal_has_the_id_too(ask: Ask, method: str, path: str, more: Any, status: int) -> None:
    headers = {"x-request-id": "mine", **more.pop("headers", {})}
    response = ask(method, path, headers=headers, **more)
    assert (response.status_code, response.headers["x-request-id"]) == (status, "mine")


def test_a_failure_of_ours_has_the_id_in_header_line_and_log(
    ask: Ask, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.rank = lambda _asked: 1 / 0  # type: ignore[assignment,method-assign,return-value]
    body = {"user_id": "u", "candidates": ["a"]}
    response = ask("POST", "/rank", json=body, headers={"x-request-id": "mine"})
    assert response.status_code == 500
    assert "of request mine" in error_of(response)
    assert any("request mine to /rank failed" in record.getMessage() for record in caplog.records)
    assert response.headers.get("x-request-id") == "mine"
    assert "content-security-policy" in response.headers


# limits of time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Time that passes only where a model is said to take some."""
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


@pytest.fixture
def slow(model: Model, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Model:
    """The model in service takes a second for each user."""
    score = model.score

    def slowly(*given: Any) -> object:
        clock.now += 1.0
        return score(*given)

    monkeypatch.setattr(model, "score", slowly)
    return model


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("told", ["soon", "-1", "1.5", "", "1e3", "9" * 19 + "s"])
def test_a_time_that_is_no_number_of_ms_is_refused(ask: Ask, told: str) -> None:
    body = {"user_id": "u", "candidates": ["a"]}
    response = ask("POST", "/rank", json=body, headers={"x-timeout-ms": told})
    assert response.status_code == 400
    assert "x-timeout-ms is no number of ms" in error_of(response)


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("digits", [20, 400, 5_000])
def test_a_time_longer_than_any_is_no_failure_of_ours(ask: Ask, digits: int) -> None:
    body = {"user_id": "u", "candidates": ["a"]}
    response = ask("POST", "/rank", json=body, headers={"x-timeout-ms": "9" * digits})
    assert response.status_code in (200, 400), response.text


@pytest.mark.usefixtures("slow")
def test_whose_time_is_over_before_its_turn_is_told_so_and_not_computed_for(
    service: Service, clock: Clock
) -> None:
    body = {"user_id": "u", "candidates": ["a"]}

    async def work(client: httpx.AsyncClient) -> list[int]:
        times = [{}, {"x-timeout-ms": "500"}, {"x-timeout-ms": "5000"}]
        every = await asyncio.gather(*(client.post("/rank", json=body, headers=one) for one in times))
        return [one.status_code for one in every]

    began = clock()
    assert exchange(service, work) == [200, 504, 200]
    assert clock() == began + 2.0
    assert service.tally.statuses == {200: 2, 504: 1}


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("path", ["/rank", "/score", INFER])
def test_where_too_many_wait_the_others_are_told_to_come_back(service: Service, path: str) -> None:
    service.settings = ServingSettings(max_wait=1)
    bodies = {
        "/rank": {"user_id": "u", "candidates": ["a"]},
        "/score": {"pairs": [{"user_id": "u", "item_id": "a"}]},
        INFER: {"inputs": [tensor("user_id", ["u"]), tensor("item_id", ["a"])]},
    }

    async def work(client: httpx.AsyncClient) -> list[httpx.Response]:
        first = await client.post(path, json=bodies[path])
        others = await asyncio.gather(*(client.post(path, json=bodies[path]) for _ in range(4)))
        last = await client.post(path, json=bodies[path])
        return [first, *others, last]

    every = exchange(service, work)
    assert [one.status_code for one in every] == [200, 200, 429, 429, 429, 200]
    for one in every[2:5]:
        assert int(one.headers["retry-after"]) > 0
        assert "requests wait already" in error_of(one)
    assert service.tally.statuses == {200: 3, 429: 3}
    assert len(service.tally.seconds) == 3  # only what was computed has a time


def test_searches_that_give_turns_to_each_other_are_let_in_as_long_as_all_of_them_fit(
    service: Service, clock: Clock
) -> None:
    service.settings = ServingSettings(max_wait=1_000)

    def search(_asked: object) -> Iterator[object]:
        for _ in range(10):
            clock.now += 0.01
            yield None
        yield {}

    service.recommend = search  # type: ignore[assignment,method-assign]

    async def work(client: httpx.AsyncClient) -> set[int]:
        told = set()
        for _ in range(20):
            asked = [client.post("/recommend", json={"user_id": "u"}) for _ in range(5)]
            told |= {one.status_code for one in await asyncio.gather(*asked)}
        return told

    # Each computes for 0.1 s: whoever comes last waits for 0.4 s.
    assert exchange(service, work) == {200}


@pytest.mark.usefixtures("slow")
def test_who_only_asks_how_it_is_never_waits_in_line(service: Service) -> None:
    service.settings = ServingSettings(max_wait=1)

    async def work(client: httpx.AsyncClient) -> list[int]:
        body = {"user_id": "u", "candidates": ["a"]}
        await client.post("/rank", json=body)
        ranks = [client.post("/rank", json=body) for _ in range(3)]
        looks = [client.get(path) for path in ANSWERS]
        return [one.status_code for one in await asyncio.gather(*ranks, *looks)][3:]

    assert exchange(service, work) == [200] * len(ANSWERS)


# how it is, and how it describes itself


@pytest.mark.usefixtures("model")
def test_a_process_that_is_about_to_end_is_not_healthy_and_still_answers(ask: Ask, service: Service) -> None:
    assert ask("GET", "/healthz").status_code == 200
    service.closing = True
    assert ask("GET", "/healthz").status_code == 503
    assert ask("POST", "/rank", json={"user_id": "u", "candidates": ["a"]}).status_code == 200


def test_every_route_that_takes_a_body_describes_it_and_its_answer(ask: Ask) -> None:
    paths = ask("GET", "/openapi.json").json()["paths"]
    assert {path for path, each in paths.items() if "post" in each} == set(BODIES)
    expected = {
        "/rank": ("candidates", "items"),
        "/score": ("pairs", "scores"),
        "/recommend": ("user_id", "items"),
        INFER: ("inputs", "outputs"),
        "/v2/models/asmg/versions/{version}/infer": ("inputs", "outputs"),
    }
    for path, (takes, gives) in expected.items():
        post = paths[path]["post"]
        assert post["requestBody"]["required"] is True
        assert takes in post["requestBody"]["content"]["application/json"]["schema"]["properties"]
        assert gives in post["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
        assert "$ref" not in str(post["requestBody"])


def test_every_route_has_a_line_that_says_what_it_is_for(ask: Ask) -> None:
    paths = ask("GET", "/openapi.json").json()["paths"]
    assert set(paths) >= {*BODIES, *ANSWERS, "/events"}
    told = {
        (path, method): each.get("description", "")
        for path, of in paths.items()
        for method, each in of.items()
    }
    assert [one for one, line in told.items() if not line] == []


@pytest.mark.parametrize("path", ANSWERS)
def test_every_route_that_takes_no_body_describes_its_answer(ask: Ask, path: str) -> None:
    content = ask("GET", "/openapi.json").json()["paths"][path]["get"]["responses"]["200"]["content"]
    assert content["application/json"]["schema"].get("properties")
