"""Over HTTP: rankings, and one clear line for whatever cannot be answered."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import numpy as np
import pytest
from msgspec.structs import replace
from serving_factory import Factory, Shelf, load

from serving.api import changes, create_app
from serving.board import Row, Seconds
from serving.health import Standing
from serving.impressions import Impression
from serving.request import ID_LENGTH
from serving.service import Served, Service
from serving.settings import ServingSettings
from serving.state import NOTHING, Events, State
from stream.records import Announcement, History, encode

#: One exchange with the application, without a network.
Ask = Callable[..., httpx.Response]


def exchange(
    service: Service, work: Callable[[httpx.AsyncClient], Awaitable[Any]], base: str = "http://127.0.0.1:8080"
) -> Any:
    async def run() -> Any:
        transport = httpx.ASGITransport(create_app(service), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            return await work(client)

    return asyncio.run(run())


@pytest.fixture
def ask(service: Service) -> Ask:
    def send(method: str, path: str, base: str = "http://127.0.0.1:8080", **more: Any) -> httpx.Response:
        return exchange(service, lambda client: client.request(method, path, **more), base)

    return send


@pytest.fixture
def model(factory: Factory, serve: Callable[[Announcement], None]) -> Announcement:
    """Θ_1, in service."""
    announced = factory.next()
    serve(announced)
    return announced


def rank(ask: Ask, **body: Any) -> httpx.Response:
    return ask("POST", "/rank", json=body)


def error_of(response: httpx.Response) -> str:
    """The one line of an error, and nothing but it."""
    body = response.json()
    assert list(body) == ["error"]
    assert "\n" not in body["error"]
    assert "Traceback" not in body["error"]
    return str(body["error"])


@pytest.mark.usefixtures("model")
def test_the_best_k_are_answered_best_first_with_the_model_that_scored_them(
    ask: Ask, service: Service
) -> None:
    service.histories.take(b"u1", encode(History(items=["i3", "i4"], times=[2, 1])))
    candidates = [f"i{one}" for one in range(20)]
    answer = rank(ask, user_id="u1", candidates=candidates, k=5).json()
    assert (answer["model_version"], answer["kind"]) == (1, "theta")
    assert len(answer["items"]) == 5
    assert service.served is not None
    logits = service.served.model.score("u1", ["i3", "i4"], candidates).logits
    expected = sorted(range(20), key=lambda one: -logits[one])[:5]
    assert [one["item_id"] for one in answer["items"]] == [candidates[one] for one in expected]
    chances = [one["score"] for one in answer["items"]]
    np.testing.assert_allclose(chances, 1 / (1 + np.exp(-logits[expected].astype(float))))
    assert set(answer["items"][0]) == {"item_id", "score"}


@pytest.mark.usefixtures("model")
def test_unknown_ids_are_answered_and_said_to_be_unknown(ask: Ask) -> None:
    answer = rank(ask, user_id="stranger", candidates=["new", "newer"], k=2).json()
    assert answer["unknown_user"] is True
    assert answer["unknown_items"] == 2
    assert len(answer["items"]) == 2


@pytest.mark.usefixtures("model")
def test_an_integer_is_its_decimal_digits_and_each_candidate_is_ranked_once(ask: Ask) -> None:
    answer = rank(ask, user_id=7, candidates=[12, "12", {"item_id": 13, "categories": ["c1", 2]}], k=9).json()
    assert sorted(one["item_id"] for one in answer["items"]) == ["12", "13"]


@pytest.mark.usefixtures("model")
def test_categories_of_an_unknown_item_may_come_in_either_place(ask: Ask) -> None:
    plain = rank(ask, user_id="u1", candidates=["new"], k=1).json()
    beside = rank(ask, user_id="u1", candidates=["new"], k=1, categories={"new": ["c1"]}).json()
    inside = rank(ask, user_id="u1", candidates=[{"item_id": "new", "categories": ["c1"]}], k=1).json()
    assert beside == inside
    assert beside["items"] != plain["items"]


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"", 400, "no JSON"),
        (b"hello", 400, "no JSON"),
        (b"\xff\xfe", 400, "no JSON"),
        (b'{"user_id":"\xff","candidates":["a"]}', 400, "no JSON"),
        (b'{"user_id":"\\ud800","candidates":["a"]}', 400, "no JSON"),
        (b"[" * 50_000, 422, "the body: expected an object"),
        (b'{"a":' + b"[" * 50_000, 400, "no JSON"),
        (b"[]", 422, "the body: expected an object, got array"),
        (b"{}", 422, "missing required field user_id"),
        (b'{"user_id":"u"}', 422, "missing required field candidates"),
        (b'{"user_id":"u","candidates":[]}', 422, "candidates is empty"),
        (b'{"user_id":"u","candidates":"a"}', 422, "candidates: expected array"),
        (b'{"user_id":"","candidates":["a"]}', 422, "user_id: expected str of length >= 1"),
        (b'{"user_id":null,"candidates":["a"]}', 422, "user_id: expected int | str, got null"),
        (b'{"user_id":1.5,"candidates":["a"]}', 422, "user_id: expected int | str, got float"),
        (b'{"user_id":"u","candidates":[true]}', 422, "candidates[0]"),
        (b'{"user_id":"u","candidates":["a",""]}', 422, "candidates[1]"),
        (b'{"user_id":"u","candidates":[{"categories":[]}]}', 422, "missing required field item_id"),
        (b'{"user_id":"u","candidates":["a"],"k":0}', 422, "k: expected int >= 1"),
        (b'{"user_id":"u","candidates":["a"],"k":"ten"}', 422, "k: expected int, got str"),
        (b'{"user_id":"u","candidates":["a"],"log":"yes"}', 422, "log: expected bool"),
        (b'{"user_id":"u","candidates":["a"],"categories":["c"]}', 422, "categories: expected an object"),
        (b'{"user_id":"' + b"x" * (ID_LENGTH + 1) + b'","candidates":["a"]}', 422, "user_id"),
        (b'{"user_id":' + b"9" * 5_000 + b',"candidates":["a"]}', 422, "user_id: integer value out of range"),
    ],
)
def test_a_body_that_cannot_be_used_is_told_in_one_line(
    ask: Ask, body: bytes, status: int, told: str
) -> None:
    response = ask("POST", "/rank", content=body)
    assert (response.status_code, told in error_of(response)) == (status, True), response.text


@pytest.mark.usefixtures("model")
def test_too_many_candidates_are_refused_with_the_limit(ask: Ask) -> None:
    response = rank(ask, user_id="u", candidates=list(range(100_000)), k=1)
    assert response.status_code == 422
    assert "100,000 candidates are more than the 10,000" in error_of(response)
    assert rank(ask, user_id="u", candidates=list(range(10_000)), k=1).status_code == 200


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("told", [True, False])
def test_a_body_that_is_too_long_is_refused_whether_it_tells_its_length_or_not(
    service: Service, told: bool
) -> None:
    service.settings = ServingSettings(max_body=2_000)
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1_000):
            sent += 1
            yield b"x" * 1_000

    body = b"x" * 3_000 if told else chunks()
    response = exchange(service, lambda client: client.post("/rank", content=body))
    assert response.status_code == 413
    assert "2,000 bytes" in error_of(response)


def test_before_the_first_model_callers_are_told_to_come_back(ask: Ask) -> None:
    response = rank(ask, user_id="u", candidates=["a"], k=1)
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    assert "no model serves yet" in error_of(response)
    assert ask("GET", "/healthz").status_code == 503
    assert ask("GET", "/version").json()["serving"] is None


@pytest.mark.usefixtures("model")
def test_health_version_and_state_are_told(ask: Ask) -> None:
    assert ask("GET", "/healthz").json() == {
        "ok": NOTHING.health.ok,
        "level": "red",
        "sentence": NOTHING.health.sentence,
    }
    assert ask("GET", "/version").json()["serving"]["version"] == 1
    state = ask("GET", "/state").json()
    assert set(State.__struct_fields__) == state.keys()
    assert set(state["counts"]) == {"used", "pending", "late", "delayed", "duplicate", "dead", "produced"}


@pytest.mark.usefixtures("model")
def test_what_was_shown_is_logged_and_named_for_the_click(ask: Ask, shelf: Shelf) -> None:
    body = {"user_id": "u1", "candidates": ["i1", "i2", {"item_id": "new", "categories": ["c9"]}]}
    items = rank(ask, **body, k=3, log=True).json()["items"]
    assert [one.impression_id for one in shelf.taken] == [one["impression_id"] for one in items]
    assert len({one["impression_id"] for one in items}) == 3
    assert all(isinstance(one, Impression) for one in shelf.taken)
    by_item = {one.item_id: one for one in shelf.taken}
    assert by_item["new"].categories == ["c9"]
    assert {(one.user_id, one.ts, one.model_version) for one in shelf.taken} == {("u1", 1_700_000_000_000, 1)}
    rank(ask, **body, k=2)
    assert len(shelf) == 3


@pytest.mark.usefixtures("model")
def test_where_nothing_can_be_logged_the_caller_is_told(ask: Ask, service: Service, shelf: Shelf) -> None:
    shelf.full = True
    response = rank(ask, user_id="u", candidates=["a"], k=1, log=True)
    assert response.status_code == 503
    assert "Kafka takes no impressions" in error_of(response)
    service._now = lambda: None
    assert "stream's time" in error_of(rank(ask, user_id="u", candidates=["a"], k=1, log=True))
    assert rank(ask, user_id="u", candidates=["a"], k=1).status_code == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("GET", "/rank", 405)])
def test_a_path_or_method_that_is_not_there_is_one_line_too(
    ask: Ask, method: str, path: str, status: int
) -> None:
    response = ask(method, path)
    assert response.status_code == status
    assert path in error_of(response)


def test_a_failure_of_ours_shows_no_traceback(ask: Ask, service: Service) -> None:
    service.rank = lambda _asked: 1 / 0  # type: ignore[assignment,method-assign,return-value]
    response = rank(ask, user_id="u", candidates=["a"], k=1)
    assert response.status_code == 500
    assert "division" not in error_of(response)


@pytest.mark.parametrize(
    ("base", "headers", "allowed"),
    [
        ("http://127.0.0.1:8080", {}, True),
        ("http://localhost:8080", {"origin": "http://localhost:8080"}, True),
        ("http://[::1]:8080", {}, True),
        ("http://evil.example:8080", {}, False),
        ("http://127.0.0.1:8080", {"origin": "http://evil.example"}, False),
        ("http://127.0.0.1:8080", {"origin": "null"}, False),
        ("http://127.0.0.1:8080", {"host": "[::"}, False),
    ],
)
def test_pages_from_elsewhere_are_refused(
    ask: Ask, base: str, headers: dict[str, str], allowed: bool
) -> None:
    response = ask("GET", "/state", base, headers=headers)
    assert response.status_code == (200 if allowed else 403)
    assert "default-src 'none'" in response.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path", ["/", "/page.js", "/chart.js", "/timeline.js", "/draw.js", "/page.css", "/icon.svg"]
)
def test_the_page_needs_nothing_from_elsewhere(ask: Ask, path: str) -> None:
    response = ask("GET", path)
    assert response.status_code == 200
    text = response.text.replace("http://www.w3.org/", "")
    assert "http://" not in text
    assert "https://" not in text


def test_the_api_describes_itself(ask: Ask) -> None:
    described = ask("GET", "/openapi.json").json()
    assert "/rank" in described["paths"]
    assert "candidates" in json.dumps(described["paths"]["/rank"]["post"]["requestBody"])


def test_only_the_docs_may_show_what_their_style_has_within_itself(ask: Ask) -> None:
    policies = {path: ask("GET", path).headers["content-security-policy"] for path in ("/", "/docs")}
    assert "img-src 'self' data:;" in policies["/docs"]
    assert policies["/docs"].replace(" data:", "") == policies["/"]


def test_a_swap_under_requests_fails_none_and_no_answer_mixes_two_models(
    service: Service, factory: Factory
) -> None:
    candidates = [f"i{one}" for one in range(60)]
    served = []
    for _ in range(4):
        announced = factory.next()
        model = load(factory.store, announced, factory.settings)
        served.append(Served(model, Standing(announced.version, "theta", announced.version, 0)))
    truth = {
        one.standing.version: dict(
            zip(candidates, one.model.score("u1", [], candidates).logits.tolist(), strict=True)
        )
        for one in served
    }

    async def caller(client: httpx.AsyncClient) -> list[int]:
        seen = []
        for _ in range(25):
            response = await client.post("/rank", json={"user_id": "u1", "candidates": candidates, "k": 60})
            assert response.status_code == 200
            answer = response.json()
            logits = truth[answer["model_version"]]
            for one in answer["items"]:
                assert one["score"] == pytest.approx(1 / (1 + np.exp(-logits[one["item_id"]])), rel=1e-9)
            seen.append(answer["model_version"])
        return seen

    async def work(client: httpx.AsyncClient) -> set[int]:
        return {
            version for seen in await asyncio.gather(*(caller(client) for _ in range(6))) for version in seen
        }

    done = threading.Event()

    def swap() -> None:
        for one in itertools.cycle(served):
            service.served = one
            if done.wait(0.0007):
                return

    service.served = served[0]
    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        assert len(exchange(service, work)) > 1
    finally:
        done.set()
        swapper.join()


def test_the_state_is_sent_whole_once_and_then_what_changes(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.api.LOOK", 0.0)
    row = Row(
        period=1, samples=1, reason="count", opened_at=1, closed_at=2, trained_at=None, generated_at=None,
        served_at=None, theta=None, star=None, shadows={}, served=None, word=None, gate=None,
        seconds=Seconds(), freshness_seconds=None,
    )  # fmt: skip

    async def run() -> list[tuple[str | None, dict[str, Any]]]:
        stream, found = changes(service), []

        async def take() -> None:
            event = await asyncio.wait_for(anext(stream), 5)
            found.append((event.event, json.loads(str(event.data))))

        await take()
        busy = dict(**{name: getattr(NOTHING, name) for name in NOTHING.__struct_fields__})
        service.state = type(NOTHING)(**busy | {"events": Events(5, 1.0)})
        await take()
        busy["events"] = Events(5, 1.0)
        service.state = type(NOTHING)(**busy | {"periods": [row, replace(row, period=2)]})
        await take()
        service.state = type(NOTHING)(**busy | {"periods": [row, replace(row, period=2, samples=7)]})
        await take()
        service.closing = True
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        return found

    whole, pulse, periods, row_only = asyncio.run(run())
    assert (whole[0], pulse[0], periods[0], row_only[0]) == ("state", "pulse", "periods", "periods")
    assert whole[1]["periods"] == []
    assert not {"periods", "moments", "swaps"} & pulse[1].keys()
    assert pulse[1]["events"] == {"total": 5, "per_second": 1.0}
    assert [one["period"] for one in periods[1]["changed"]] == periods[1]["listed"] == [1, 2]
    assert [(one["period"], one["samples"]) for one in row_only[1]["changed"]] == [(2, 7)]
    assert row_only[1]["listed"] == [1, 2]
