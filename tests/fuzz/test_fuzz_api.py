"""Whatever is asked of the API, in the form it describes or in any other: what it describes is answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fuzzing import for_its_part
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live import answering, service_of

from serving.api import create_app
from serving.settings import ServingSettings

schemathesis = pytest.importorskip("schemathesis")

#: Tokens as long as they must be.
RANK, ADMIN = "rank-" + "r" * 16, "admin-" + "a" * 16
SETTINGS = ServingSettings.model_validate({"port": 0, "rank_token": RANK, "admin_token": ADMIN})
#: Requests of each route at a time.
EXAMPLES = 4

#: Schemathesis cannot read the pair of arms that `/state` describes (a tuple, as OpenAPI 3.1 has them).
UNREAD = ("/state", "response_schema_conformance")
#: A valid request may ask for what is not there (no candidates, a version that does not serve), and is told
#: so; tokens are tests/serving/test_access.py's.
UNCHECKED = ["positive_data_acceptance", "ignored_auth"]


def _operations() -> list[Any]:
    described = create_app(service_of(SETTINGS)).openapi()
    found = [one.ok() for one in schemathesis.openapi.from_dict(described).get_all_operations()]
    return [one for one in found if one.path != "/events"]  # it has no end


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with answering(service_of(SETTINGS)) as (host, port):
        yield f"http://{host}:{port}"


@pytest.mark.parametrize("operation", _operations(), ids=lambda one: f"{one.method} {one.path}")
def test_any_request_is_answered_as_described(address: str, operation: Any) -> None:
    skipped = [
        one
        for one in schemathesis.checks.CHECKS.get_all()
        if one.__name__ in UNCHECKED or (operation.path, one.__name__) == UNREAD
    ]

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode)))
    def asked(case: Any) -> None:

        response = case.call(base_url=address, headers={"authorization": f"Bearer {ADMIN}"})
        case.validate_response(response, excluded_checks=skipped)

    for_its_part(asked)
